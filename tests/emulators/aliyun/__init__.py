"""Alibaba Cloud's classic load balancer (SLB, API 2014-05-15), with real TLS behind its listeners."""

from .service import AliyunEmulator

__all__ = ["AliyunEmulator"]
