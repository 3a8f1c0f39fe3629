"""Regions and zones."""

from __future__ import annotations

from .model import REGIONS
from .parameters import Parameters
from .registry import SLB, Answer


@SLB.action("DescribeRegions")
def regions(request: Parameters) -> Answer:
    return {
        "Regions": {
            "Region": [
                {"RegionId": region, "LocalName": region, "RegionEndpoint": f"slb.{region}.aliyuncs.com"}
                for region in REGIONS
            ]
        }
    }


@SLB.action("DescribeZones")
def zones(request: Parameters) -> Answer:
    one, two = f"{request.cell.region}-a", f"{request.cell.region}-b"
    return {
        "Zones": {
            "Zone": [
                {
                    "ZoneId": zone,
                    "LocalName": zone,
                    "SlaveZones": {"SlaveZone": [{"ZoneId": other, "LocalName": other}]},
                }
                for zone, other in ((one, two), (two, one))
            ]
        }
    }
