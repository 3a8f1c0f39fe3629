"""The failures the service answers with: status, code and text, as clients match on them."""

from __future__ import annotations

from typing import Any, Mapping


class ApiError(Exception):
    """An answer that is a failure.

    `detail` holds members added to the body beside the usual five, `headers` holds extra
    response headers. `product` names the product in the Recommend address.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        detail: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.detail = dict(detail or {})
        self.headers = dict(headers or {})


def missing_parameter(name: str) -> ApiError:
    return ApiError(
        400,
        "MissingParameter",
        f'The input parameter "{name}" that is mandatory for processing this request is not supplied.',
    )


def missing_common(name: str) -> ApiError:
    """A parameter of the protocol itself is absent: the code carries its name."""
    return ApiError(400, f"Missing{name}", f"{name} is mandatory for this action.")


def invalid_parameter(message: str, status: int = 400) -> ApiError:
    return ApiError(status, "InvalidParameter", message)


def balancer_not_found() -> ApiError:
    return ApiError(404, "InvalidLoadBalancerId.NotFound", "The specified LoadBalancerId does not exist.")


def listener_not_found() -> ApiError:
    # Clients recognise a missing listener by this text, because the code covers dozens of cases.
    return invalid_parameter("The specified resource does not exist.")


def certificate_not_found() -> ApiError:
    return ApiError(404, "ServerCertificateId.NotFound", "The specified ServerCertificateId does not exist.")


def extension_not_found() -> ApiError:
    return ApiError(
        400, "InvalidParameter.DomainExtensionId", "The specified parameter DomainExtensionId is not valid."
    )


def service_is_configuring() -> ApiError:
    return ApiError(400, "ServiceIsConfiguring", "The specified service is being configured, please try again later.")


BUSY_STATUS = {
    "SystemBusy": 449,
    "OperationBusy": 400,
    "ServiceIsConfiguring": 400,
    "VServerGroupProcessing": 400,
    "ProcessingSameRequest": 400,
    "BackendServer.configuring": 409,
    "ServiceIsStopping": 409,
    "OperationConflict": 409,
    "LastTokenProcessing": 403,
    "OperationFailed.ListenerStatusNotSupport": 400,
    "OperationFailed.TokenIsProcessing": 400,
    "DomainExtensionProcessing": 400,
    "IncorrectStatus.DomainExtension": 400,
    "Operation.Deny": 400,
}
"""Codes that mean "ask again later", with their status (the product's error table)."""


def busy(code: str) -> ApiError:
    return ApiError(
        BUSY_STATUS.get(code, 400), code, "Another operation on the resource is in progress, please try again later."
    )


GATEWAY_FAILURES = {
    "Throttling": (400, "Request was denied due to request throttling."),
    "Throttling.User": (400, "Request was denied due to user flow control."),
    "Throttling.Api": (400, "Request was denied due to api flow control."),
    "InternalError": (500, "The request processing has failed due to some unknown error, exception or failure."),
    "ServiceUnavailable": (503, "The request has failed due to a temporary failure of the server."),
    "InvalidSecurityToken.Expired": (403, "Specified SecurityToken is expired."),
    "InvalidSecurityToken.Malformed": (403, "Specified SecurityToken is malformed."),
    "InvalidSecurityToken.MismatchWithAccessKey": (403, "Specified SecurityToken mismatch with the AccessKey."),
    "InvalidAccessKeyId.NotFound": (404, "Specified access key is not found."),
    "InvalidAccessKeyId.Inactive": (400, "Specified access key is disabled."),
    "InvalidTimeStamp.Format": (400, "Specified time stamp or date value is not well formatted."),
    "InvalidTimeStamp.Expired": (400, "Specified time stamp or date value is expired."),
    "SignatureNonceUsed": (400, "Specified signature nonce was used already."),
    "IncompleteSignature": (400, "The request signature does not conform to Aliyun standards."),
    "InvalidSignatureMethod": (400, "Specified signature method is not valid."),
    "InvalidParameter.Format": (400, 'Specified parameter "Format" is not valid.'),
    "UnsupportedHTTPMethod": (400, "This http method is not supported."),
    "InvalidProduct.NotFound": (404, "Cannot find product according to your specified domain and version."),
    "InvalidApi.NotFound": (404, "Specified api is not found, please check your url and method."),
}
"""What the gateway says before any product code runs: code -> (status, message)."""


def gateway(code: str, *, headers: Mapping[str, str] | None = None) -> ApiError:
    status, message = GATEWAY_FAILURES[code]
    return ApiError(status, code, message, headers=headers)


def forbidden(action: str, principal: Mapping[str, str]) -> ApiError:
    """Access denied, with the detail block that newer answers carry."""
    return ApiError(
        403,
        "Forbidden.RAM",
        "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
        detail={
            "AccessDeniedDetail": {
                "AuthPrincipalType": principal["type"],
                "AuthPrincipalDisplayName": principal["name"],
                "AuthPrincipalOwnerId": principal["owner"],
                "AuthAction": action,
                "NoPermissionType": "ImplicitDeny",
                "PolicyType": "AccountLevelIdentityBasedPolicy",
                "EncodedDiagnosticMessage": "AQFohtp4aIbaeEVCODdBNUFELTg2QUEtNUQ0QS1B",
            }
        },
    )
