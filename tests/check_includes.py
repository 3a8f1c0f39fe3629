"""Holds the direction of dependencies: a folder of controller/ includes only what it may know.

Usage: check_includes.py CONTROLLER_DIRECTORY
"""

import pathlib
import re
import sys

# What each folder may include besides itself. The table of docs/architecture.md in a form that a machine checks.
MAY_KNOW = {
    "base": set(),
    "document": {"base"},
    "schema": {"base", "document"},
    "certificate": {"base"},
    "probe": {"base", "certificate"},
    "http": {"base"},
    "ssh": {"base"},
    "api": {"base", "document"},
    "kube": {"base", "document", "http", "api"},
    "objects": {"base", "api"},
    "runtime": {"base"},
    "sources": {"base", "document", "certificate", "http", "api", "runtime"},
    "targets": {"base", "document", "certificate", "probe", "http", "ssh", "api", "runtime"},
    "binding": {"base", "certificate", "api", "objects", "runtime", "sources", "targets"},
    "files": {"base", "document", "schema", "api", "objects"},
    "cli": {"base", "document", "api", "objects", "runtime", "binding", "files", "sources", "targets"},
}

# Beyond its own folder the rest of the code sees the interface of sources and of targets, not the kinds.
INTERFACES = {"sources/certificate_source.h", "targets/certificate_target.h"}

# Third parties that stay at one place, by the beginning of the include.
ONE_PLACE = {
    "cpprest/": "http/cpprest_transport.cpp",
    "pplx/": "http/cpprest_transport.cpp",
    "yaml-cpp/": "document/yaml.cpp",
    "simdjson": "document/json.cpp",
    "CLI/": "cli/command_line.cpp",
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.MULTILINE)


def faults(controller):
    for path in sorted(controller.rglob("*")):
        if path.suffix not in (".h", ".cpp") or path.parent == controller:
            continue
        name = path.relative_to(controller).as_posix()
        folder, kind = name.split("/")[0], name.rsplit("/", 1)[0]
        for bracket, included in INCLUDE.findall(path.read_text(encoding="utf-8")):
            if bracket == "<":
                for prefix, place in ONE_PLACE.items():
                    if included.startswith(prefix) and name != place:
                        yield f"{name}: includes <{included}>, which belongs in {place} alone"
                continue
            other = included.split("/")[0]
            if other not in MAY_KNOW:
                yield f"{name}: includes \"{included}\", which is in no folder of controller/"
            elif other != folder and other not in MAY_KNOW[folder]:
                yield f"{name}: {folder} must not know {other} (\"{included}\")"
            elif other in ("sources", "targets"):
                inside = included.rsplit("/", 1)[0] == kind
                if not inside and included not in INTERFACES:
                    yield f"{name}: \"{included}\" is a kind's own; only main.cpp and the kind itself know it"


def main():
    found = list(faults(pathlib.Path(sys.argv[1])))
    for fault in found:
        print(fault)
    print(f"{len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
