"""Error codes, their HTTP status, and their texts in the two languages of the service."""

from __future__ import annotations

from emulators.common.http_server import Response, json_response

# code -> status, English, Chinese. Clients match on the code; the texts are paraphrased.
SCM_ERRORS: dict[str, tuple[int, str, str]] = {
    "SCM.0002": (403, "The project ID or account ID does not match the token.", "项目ID或账号ID与Token不匹配。"),
    "SCM.0003": (400, "The certificate belongs to another account.", "证书不属于当前账号。"),
    "SCM.0005": (400, "Invalid request parameter.", "请求参数错误。"),
    "SCM.0006": (400, "Failed to parse the uploaded certificate.", "上传的证书解析失败。"),
    "SCM.0007": (500, "Failed to download the certificate.", "下载证书失败。"),
    "SCM.0008": (400, "Incorrect format of the certificate ID.", "证书ID格式错误。"),
    "SCM.0009": (400, "The uploaded certificate has no domain name.", "上传的证书域名为空。"),
    "SCM.0010": (
        400,
        "This operation is not allowed for the certificate type or status.",
        "当前证书类型或状态不支持该操作。",
    ),
    "SCM.0012": (400, "Failed to parse the private key of the uploaded certificate.", "上传的证书私钥解析失败。"),
    "SCM.0013": (400, "Failed to parse the certificate chain of the uploaded certificate.", "上传的证书链解析失败。"),
    "SCM.0014": (400, "The certificate and the private key do not match.", "证书与私钥不匹配。"),
    "SCM.0020": (404, "The certificate does not exist.", "证书不存在。"),
    "SCM.0028": (400, "Failed to push the certificate.", "推送证书失败。"),
    "SCM.0030": (400, "The service does not support certificate push.", "该服务不支持推送证书。"),
    "SCM.0032": (400, "Incorrect certificate name.", "证书名称错误。"),
    "SCM.0037": (500, "Failed to encrypt the certificate.", "证书加密失败。"),
    "SCM.0038": (500, "Failed to decrypt the certificate.", "证书解密失败。"),
    "SCM.0053": (400, "Incorrect PEM markers of the certificate.", "证书PEM标记错误。"),
    "SCM.0059": (400, "The private key is empty.", "私钥为空。"),
    "SCM.0069": (400, "The project does not exist.", "项目不存在。"),
    "SCM.0079": (
        400,
        "The certificate chain is out of order or an issuer does not match.",
        "证书链顺序错误或颁发者不匹配。",
    ),
    "SCM.0114": (400, "Incorrect PEM markers of the private key.", "私钥PEM标记错误。"),
    "SCM.1000": (401, "Authentication failed: the token is missing or not valid.", "认证失败，Token缺失或无效。"),
    "SCM.4001": (500, "Failed to query the policy service.", "访问策略服务失败。"),
    "SCM.4002": (401, "No permission. Policy does not allow the operation.", "无权限，策略不允许该操作。"),
}

GATEWAY_ERRORS: dict[str, tuple[int, str]] = {
    "APIGW.0101": (404, "The API does not exist or has not been published in the environment"),
    "APIGW.0201": (502, "Backend unavailable"),
    "APIGW.0301": (401, "Incorrect IAM authentication information"),
    "APIGW.0306": (403, "API access denied"),
    "APIGW.0307": (401, "The token must be updated"),
    "APIGW.0308": (429, "The throttling threshold has been reached"),
}

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class ApiError(Exception):
    """An error answer of SCM or of the gateway before it; `detail` follows the code's text."""

    def __init__(self, code: str, detail: str = "", status: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.status = status


class IamError(Exception):
    """An error of the token calls: an object `error` with code, message and title."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def error_response(error: ApiError, english: bool, request_id: str) -> Response:
    """The service's shape, or the gateway's, which repeats the request id in the body."""
    if error.code in SCM_ERRORS:
        status, *texts = SCM_ERRORS[error.code]
        text = texts[0 if english else 1] + (f" {error.detail}" if error.detail else "")
        return json_response(error.status or status, {"error_code": error.code, "error_msg": text})
    status, text = GATEWAY_ERRORS.get(error.code, (500, "Internal error"))
    value = {"error_msg": text + (f": {error.detail}" if error.detail else ""), "error_code": error.code}
    if error.code.startswith("APIGW."):
        value["request_id"] = request_id
    return json_response(error.status or status, value)


def iam_error_response(error: IamError) -> Response:
    title = _TITLES.get(error.status, "Error")
    return json_response(error.status, {"error": {"code": error.status, "message": error.message, "title": title}})
