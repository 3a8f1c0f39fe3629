#include <algorithm>

#include "base/text.h"
#include "cli/engine.h"
#include "runtime/parallel.h"

namespace certbinder::cli {
namespace {

/// One line of the plan.
struct Item {
    api::ObjectKey binding;
    std::string endpoint;
    std::string action;
    std::string reason;
    std::string from;
    std::string to;
    std::string message;
    bool error = false;
    bool change = false;
};

Item itemOf(const api::ObjectKey& key, const binding::PassRecord& record, const binding::EndpointResult& result) {
    Item item;
    item.binding = key;
    item.endpoint = result.endpoint.name;
    if (result.step) {
        item.from = result.step->fromSHA256;
        item.to = result.step->toSHA256;
    }
    const std::optional<base::Error>& error =
        record.spec ? record.spec : (record.source ? record.source : result.error);
    if (error) {
        item.action = result.step ? std::string(binding::toString(result.step->action)) : "Blocked";
        item.reason = base::toString(error->reason());
        item.message = error->message();
        item.error = true;
    } else if (record.suspended) {
        item.action = binding::toString(targets::Action::kNone);
        item.reason = base::toString(base::Reason::kSuspended);
        item.message = "suspended";
    } else if (result.step) {
        item.action = binding::toString(result.step->action);
        item.reason = binding::toString(result.step->why);
        item.message = result.step->message;
        item.change = result.step->action != targets::Action::kNone;
    }
    return item;
}

document::Value valueOf(const std::vector<Item>& items) {
    document::List list;
    for (const Item& item : items) {
        document::Value value;
        value.set("namespace", item.binding.ns);
        value.set("name", item.binding.name);
        value.set("endpoint", item.endpoint);
        value.set("action", item.action);
        value.set("reason", item.reason);
        value.set("fromFingerprint", item.from);
        value.set("toFingerprint", item.to);
        value.set("message", item.message);
        list.push_back(std::move(value));
    }
    document::Value whole;
    whole.set("items", std::move(list));
    return whole;
}

std::string tableOf(const std::vector<Item>& items) {
    Table table({"BINDING", "ENDPOINT", "ACTION", "REASON", "FROM", "TO", "MESSAGE"});
    const auto brief = [](const std::string& fingerprint) {
        return fingerprint.empty() ? "-" : binding::brief(fingerprint);
    };
    for (const Item& item : items) {
        table.add({item.binding.toString(), item.endpoint, item.action, item.reason, brief(item.from), brief(item.to),
                   base::printable(item.message)});
    }
    return table.toString();
}

/// The bindings with something to do or to mend, each once.
std::string namesOf(const std::vector<Item>& items) {
    std::string names;
    const Item* last = nullptr;
    for (const Item& item : items) {
        if ((item.change || item.error) && (last == nullptr || last->binding != item.binding)) {
            names += "certificatebinding.certbinder.io/" + item.binding.name + "\n";
            last = &item;
        }
    }
    return names;
}

std::string show(const std::vector<Item>& items, Output output) {
    switch (output) {
        case Output::kTable:
            return tableOf(items);
        case Output::kName:
            return namesOf(items);
        default:
            return showValue(valueOf(items), output);
    }
}

}  // namespace

int plan(const Options& options, const App& app) {
    const auto engine = openEngine(options, app, files::StateDirectory::Access::kShared);
    if (!engine) {
        return 1;
    }
    const auto bindings = engine->learnAll();
    const binding::PassOptions pass = engine->closeLook();
    std::vector<std::vector<Item>> found(bindings.size());
    runtime::forEachParallel(bindings.size(), options.workers, [&](std::size_t i) {
        const binding::PassRecord record = engine->reconciler().plan(*bindings[i], pass);
        const api::ObjectKey& key = bindings[i]->metadata.key;
        for (const binding::EndpointResult& result : record.endpoints) {
            found[i].push_back(itemOf(key, record, result));
        }
        if (record.endpoints.empty()) {  // suspended, or kept from being looked at
            found[i].push_back(itemOf(key, record, {}));
        }
    });
    std::vector<Item> items;
    for (auto& some : found) {
        std::move(some.begin(), some.end(), std::back_inserter(items));
    }
    print(show(items, options.output));
    if (!engine->session().sound ||
        std::any_of(items.begin(), items.end(), [](const Item& item) { return item.error; })) {
        return 1;
    }
    return std::any_of(items.begin(), items.end(), [](const Item& item) { return item.change; }) ? 2 : 0;
}

}  // namespace certbinder::cli
