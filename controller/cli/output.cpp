#include "cli/output.h"

#include <algorithm>
#include <cstdio>

#include "api/codec.h"
#include "base/text.h"
#include "base/time_text.h"
#include "document/json.h"
#include "document/yaml.h"

namespace certbinder::cli {
namespace {

using document::Value;

std::string orDash(const std::string& text) {
    return text.empty() ? "-" : text;
}

std::string briefly(const std::string& fingerprint) {
    return orDash(fingerprint.substr(0, 16));
}

std::vector<std::string> bindingRow(const api::CertificateBinding& binding, base::WallTime now) {
    const api::Condition* ready = binding.status.find(api::condition::kReady);
    const auto& certificate = binding.status.certificate;
    const auto created = binding.metadata.creationTimestamp.value_or(now);
    return {binding.metadata.key.ns,
            binding.metadata.key.name,
            ready != nullptr ? std::string(api::toString(ready->status)) : "Unknown",
            ready != nullptr ? std::string(base::toString(ready->reason)) : "-",
            api::describeTarget(binding.spec),
            orDash(binding.status.inSync),
            certificate ? base::formatTime(certificate->notAfter) : "-",
            base::formatAge(now - created)};
}

std::string table(const std::vector<Shown>& bindings, base::WallTime now) {
    Table summary({"NAMESPACE", "NAME", "READY", "REASON", "TARGET", "IN SYNC", "EXPIRES", "AGE"});
    Table endpoints({"BINDING", "ENDPOINT", "STATE", "DEPLOYED", "SERVED", "MESSAGE"});
    for (const Shown& shown : bindings) {
        const api::CertificateBinding& binding = *shown.binding;
        summary.add(bindingRow(binding, now));
        if (binding.status.endpoints.empty()) {
            const api::Condition* ready = binding.status.find(api::condition::kReady);
            if (ready != nullptr && ready->status != api::ConditionStatus::kTrue) {
                endpoints.add({binding.metadata.key.toString(), "-", "-", "-", "-", base::printable(ready->message)});
            }
        }
        for (const api::EndpointStatus& endpoint : binding.status.endpoints) {
            endpoints.add({binding.metadata.key.toString(), endpoint.name, std::string(api::toString(endpoint.state)),
                           briefly(endpoint.deployedFingerprintSHA256), briefly(endpoint.servedFingerprintSHA256),
                           base::printable(endpoint.message)});
        }
    }
    return summary.toString() + (endpoints.empty() ? "" : "\n" + endpoints.toString());
}

Value objectOf(const Shown& shown) {
    const api::Metadata& known = shown.binding->metadata;
    Value object = shown.manifest ? *shown.manifest : Value();
    Value metadata = object["metadata"];
    metadata.set("name", known.key.name);
    metadata.set("namespace", known.key.ns);
    metadata.set("generation", known.generation);
    if (known.creationTimestamp) {
        metadata.set("creationTimestamp", base::formatTime(*known.creationTimestamp));
    }
    Value out;
    out.set("apiVersion", api::kGroupVersion);
    out.set("kind", api::kKind);
    out.set("metadata", std::move(metadata));
    out.set("spec", object["spec"]);
    out.set("status", api::encodeStatus(shown.binding->status));
    return out;
}

/// Width in characters as far as a terminal's columns go: continuation bytes of UTF-8 take none.
std::size_t width(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

}  // namespace

std::string Table::toString() const {
    std::vector<std::size_t> widths(rows_.front().size(), 0);
    for (const auto& row : rows_) {
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], width(row[i]));
        }
    }
    std::string text;
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            line += row[i];
            if (i + 1 < row.size()) {
                line += std::string(widths[i] - width(row[i]) + 3, ' ');
            }
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text;
}

std::string showValue(const Value& value, Output output) {
    return output == Output::kYaml ? document::toYaml(value) : document::toJson(value, 2) + "\n";
}

std::string showBindings(const std::vector<Shown>& bindings, Output output, base::WallTime now) {
    if (output == Output::kTable) {
        return table(bindings, now);
    }
    if (output == Output::kName) {
        std::string names;
        for (const Shown& shown : bindings) {
            names += "certificatebinding.certbinder.io/" + shown.binding->metadata.key.name + "\n";
        }
        return names;
    }
    document::List items;
    for (const Shown& shown : bindings) {
        items.push_back(objectOf(shown));
    }
    Value list;
    list.set("apiVersion", "v1");
    list.set("kind", "List");
    list.set("items", std::move(items));
    return showValue(list, output);
}

void print(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

}  // namespace certbinder::cli
