"""The official Python SDKs behind one call, so that one proof runs with each of them and each signature."""

from __future__ import annotations

import importlib
import json
import re
from typing import Any, Protocol
from urllib.parse import urlsplit

from alibabacloud_slb20140515 import models
from alibabacloud_slb20140515.client import Client
from alibabacloud_tea_openapi import utils_models
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException as NewFailure
from aliyunsdkcore.acs_exception.exceptions import ServerException as OldFailure
from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient
from darabonba.runtime import RuntimeOptions

VARIANTS = ("new-acs3", "new-hmac", "old-hmac")


class Refused(Exception):
    """What the SDK raised, as far as the proofs look at it."""

    def __init__(
        self, code: str, status: int, message: str, retry_after: int | None = None, detail: Any = None
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.code = code
        self.status = status
        self.message = message
        self.retry_after = retry_after
        self.detail = detail


class Sdk(Protocol):
    def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        """One action with parameters by their documented names; lists where the API numbers them."""


class NewSdk:
    """alibabacloud-slb20140515, by ACS3 or (signature algorithm v2) by HMAC-SHA1."""

    def __init__(self, url: str, region: str, key: str, secret: str, token: str = "", hmac: bool = False) -> None:
        self._region = region
        self._client = Client(
            utils_models.Config(
                access_key_id=key,
                access_key_secret=secret,
                security_token=token or None,
                endpoint=urlsplit(url).netloc,
                protocol="http",
                signature_algorithm="v2" if hmac else None,
            )
        )

    def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        request = getattr(models, f"{action}Request")().from_map({"RegionId": self._region, **parameters})
        method = getattr(self._client, f"{_snake(action)}_with_options")
        try:
            return method(request, RuntimeOptions(autoretry=False, read_timeout=5000)).body.to_map()
        except NewFailure as error:
            detail = (error.data or {}).get("AccessDeniedDetail")
            raise Refused(error.code, error.status_code, error.message, error.retry_after, detail) from error


def _snake(action: str) -> str:
    """The SDK's own spelling: HTTPSListener is httpslistener."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", action).replace("HTTPSListener", "httpslistener").lower()


class OldSdk:
    """aliyun-python-sdk-slb, which signs by HMAC-SHA1 and sends an empty SignatureType."""

    def __init__(self, url: str, region: str, key: str, secret: str, token: str = "") -> None:
        address = urlsplit(url)
        self._host = address.hostname
        credential = StsTokenCredential(key, secret, token) if token else None
        plain = {} if token else {"ak": key, "secret": secret}
        self._client = AcsClient(
            **plain, region_id=region, auto_retry=False, port=address.port, timeout=5, credential=credential
        )

    def call(self, action: str, **parameters: Any) -> dict[str, Any]:
        module = importlib.import_module(f"aliyunsdkslb.request.v20140515.{action}Request")
        request = getattr(module, f"{action}Request")()
        request.set_endpoint(self._host)
        for name, value in parameters.items():
            if name == "RegionId":
                request.add_query_param(name, value)
            else:
                getattr(request, f"set_{name}s" if isinstance(value, list) else f"set_{name}")(value)
        try:
            return json.loads(self._client.do_action_with_exception(request))
        except OldFailure as error:
            raise Refused(error.get_error_code(), error.get_http_status(), error.get_error_msg()) from error


def make(variant: str, url: str, region: str, key: str = "testid", secret: str = "testsecret", token: str = "") -> Sdk:
    if variant == "old-hmac":
        return OldSdk(url, region, key, secret, token)
    return NewSdk(url, region, key, secret, token, hmac=variant == "new-hmac")
