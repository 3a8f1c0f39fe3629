#include "fake_slb.h"

#include <algorithm>

#include "base/text.h"
#include "certificate/bundle.h"
#include "document/json.h"

namespace certbinder::test {
namespace {

using document::List;
using document::Value;

std::string decode(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size()) {
            plain += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
            i += 2;
        } else {
            plain += text[i] == '+' ? ' ' : text[i];
        }
    }
    return plain;
}

std::string get(const Form& form, const std::string& name) {
    const auto found = form.find(name);
    return found == form.end() ? "" : found->second;
}

http::Response ok(Value body) {
    body.set("RequestId", "365F4154-92F6-4AE4-92F8-7FF34B540710");
    return {200, {}, base::SecretBytes(document::toJson(body))};
}

http::Response done() {
    return ok(Value(document::Object{}));
}

std::string colonSeparated(const std::string& hex) {
    std::string text;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        text += (i == 0 ? "" : ":") + hex.substr(i, 2);
    }
    return text;
}

}  // namespace

Form decodeForm(std::string_view body) {
    Form form;
    for (const std::string& pair : base::split(body, '&')) {
        const std::size_t equals = pair.find('=');
        form[decode(pair.substr(0, equals))] = decode(pair.substr(equals + 1));
    }
    return form;
}

http::Response refusal(int status, const std::string& code, const std::string& message, http::Headers headers) {
    Value body;
    body.set("Code", code).set("Message", message);
    body.set("RequestId", "8C87B5C0-0000-4AE4-92F8-7FF34B540710");
    body.set("HostId", "slb.cn-test.aliyuncs.com");
    return {status, std::move(headers), base::SecretBytes(document::toJson(body))};
}

base::Expected<http::Response> FakeSlb::answer(const http::Request& request) {
    const Form form = decodeForm(request.body.reveal());
    const std::string action = get(form, "Action");
    const std::scoped_lock lock(mutex_);
    calls_.push_back(form);
    std::deque<Fault>& faults = faults_[action];
    if (faults.empty()) {
        return carryOut(action, form);
    }
    Fault fault = std::move(faults.front());
    faults.pop_front();
    if (fault.afterTheChange || !fault.answer) {
        http::Response response = carryOut(action, form);
        if (!fault.answer) {
            return response;
        }
    }
    return std::move(*fault.answer);
}

void FakeSlb::failNext(const std::string& action, Fault fault) {
    const std::scoped_lock lock(mutex_);
    faults_[action].push_back(std::move(fault));
}

void FakeSlb::refuseNext(const std::string& action, int status, const std::string& code, int times) {
    for (int i = 0; i < times; ++i) {
        failNext(action, {refusal(status, code), false});
    }
}

std::vector<Form> FakeSlb::calls(const std::string& action) const {
    const std::scoped_lock lock(mutex_);
    std::vector<Form> found;
    std::copy_if(calls_.begin(), calls_.end(), std::back_inserter(found),
                 [&](const Form& form) { return get(form, "Action") == action; });
    return found;
}

std::size_t FakeSlb::writes() const {
    const std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(std::count_if(calls_.begin(), calls_.end(), [](const Form& form) {
        return get(form, "Action").compare(0, 8, "Describe") != 0;
    }));
}

const FakeSlb::StoredCertificate* FakeSlb::certificate(const std::string& id) const {
    const auto found =
        std::find_if(certificates.begin(), certificates.end(), [&](const auto& c) { return c.id == id; });
    return found == certificates.end() ? nullptr : &*found;
}

std::string FakeSlb::servedFingerprint(const std::string& address, std::uint16_t port,
                                       const std::string& serverName) const {
    const std::scoped_lock lock(mutex_);
    for (const auto& [id, balancer] : balancers) {
        const auto listener = balancer.listeners.find(port);
        if (balancer.address != address || listener == balancer.listeners.end() ||
            listener->second.status != "running") {
            continue;
        }
        std::string referred = listener->second.certificateID;
        for (const Extension& extension : listener->second.extensions) {
            if (extension.domain == serverName) {
                referred = extension.certificateID;
            }
        }
        const StoredCertificate* stored = certificate(dataPlane ? dataPlane(referred) : referred);
        return stored == nullptr ? "" : stored->fingerprint;
    }
    return "";
}

FakeSlb::Listener* FakeSlb::find(const Form& form) {
    const auto balancer = balancers.find(get(form, "LoadBalancerId"));
    if (balancer == balancers.end()) {
        return nullptr;
    }
    const auto listener =
        balancer->second.listeners.find(static_cast<std::uint16_t>(std::stoi(get(form, "ListenerPort"))));
    return listener == balancer->second.listeners.end() ? nullptr : &listener->second;
}

http::Response FakeSlb::carryOut(const std::string& action, const Form& form) {
    const std::string balancer = get(form, "LoadBalancerId");
    if (!balancer.empty() && balancers.count(balancer) == 0) {
        return refusal(404, "InvalidLoadBalancerId.NotFound", "The specified LoadBalancerId does not exist.");
    }
    const std::string certificateID = get(form, "ServerCertificateId");
    if (!certificateID.empty() && certificate(certificateID) == nullptr) {
        return refusal(404, "ServerCertificateId.NotFound", "The specified ServerCertificateId does not exist.");
    }
    if (action == "DescribeLoadBalancerListeners") {
        return describeListeners(form);
    }
    if (action == "DescribeLoadBalancers") {
        return describeBalancers(form);
    }
    if (action == "DescribeServerCertificates") {
        return describeCertificates();
    }
    if (action == "UploadServerCertificate") {
        return upload(form);
    }
    if (action == "CreateLoadBalancerHTTPSListener") {
        return create(form);
    }
    if (action == "SetDomainExtensionAttribute" || action == "DeleteDomainExtension") {
        return changeExtension(form, action == "DeleteDomainExtension");
    }
    if (find(form) == nullptr) {
        return refusal(400, "InvalidParameter", "The specified resource does not exist.");
    }
    if (action == "DescribeLoadBalancerHTTPSListenerAttribute") {
        return describeListener(form);
    }
    if (action == "SetLoadBalancerHTTPSListenerAttribute") {
        return set(form);
    }
    if (action == "StartLoadBalancerListener") {
        return start(form);
    }
    if (action == "CreateDomainExtension") {
        return createExtension(form);
    }
    return refusal(404, "InvalidApi.NotFound");
}

http::Response FakeSlb::describeListeners(const Form& form) const {
    const std::size_t size = std::stoul(get(form, "MaxResults"));
    const std::size_t begin = get(form, "NextToken").empty() ? 0 : std::stoul(get(form, "NextToken"));
    List items;
    std::size_t index = 0;
    bool more = false;
    for (const auto& [id, balancer] : balancers) {
        for (const auto& [port, listener] : balancer.listeners) {
            if (index >= begin && items.size() < size) {
                Value item;
                item.set("LoadBalancerId", id).set("ListenerPort", static_cast<int>(port));
                item.set("ListenerProtocol", "https").set("Status", listener.status);
                Value config;
                config.set("ServerCertificateId", listener.certificateID);
                item.set("HTTPSListenerConfig", std::move(config));
                items.push_back(std::move(item));
            } else if (index >= begin) {
                more = true;
            }
            ++index;
        }
    }
    Value body;
    body.set("Listeners", std::move(items)).set("TotalCount", static_cast<std::int64_t>(index));
    if (more) {
        body.set("NextToken", std::to_string(begin + size));
    }
    return ok(std::move(body));
}

http::Response FakeSlb::describeBalancers(const Form& form) const {
    const std::size_t size = std::stoul(get(form, "PageSize"));
    const std::size_t begin = (std::stoul(get(form, "PageNumber")) - 1) * size;
    List items;
    std::size_t index = 0;
    for (const auto& [id, balancer] : balancers) {
        if (index >= begin && items.size() < size) {
            Value item;
            item.set("LoadBalancerId", id).set("Address", balancer.address);
            item.set("AddressType", balancer.addressType).set("LoadBalancerSpec", balancer.spec);
            items.push_back(std::move(item));
        }
        ++index;
    }
    Value list;
    list.set("LoadBalancer", std::move(items));
    Value body;
    body.set("LoadBalancers", std::move(list)).set("TotalCount", static_cast<std::int64_t>(index));
    return ok(std::move(body));
}

http::Response FakeSlb::describeCertificates() const {
    List items;
    for (const StoredCertificate& stored : certificates) {
        Value item;
        item.set("ServerCertificateId", stored.id).set("ServerCertificateName", stored.name);
        item.set("Fingerprint", colonSeparated(stored.fingerprint));
        item.set("ExpireTimeStamp", stored.expiresAt).set("CreateTimeStamp", stored.createdAt);
        item.set("IsAliCloudCertificate", stored.bought ? 1 : 0);
        List tags;
        for (const auto& [key, value] : stored.tags) {
            Value tag;
            tag.set("TagKey", key).set("TagValue", value);
            tags.push_back(std::move(tag));
        }
        Value wrapper;
        wrapper.set("Tag", std::move(tags));
        item.set("Tags", std::move(wrapper));
        items.push_back(std::move(item));
    }
    Value list;
    list.set("ServerCertificate", std::move(items));
    Value body;
    body.set("ServerCertificates", std::move(list));
    return ok(std::move(body));
}

http::Response FakeSlb::describeListener(const Form& form) const {
    const Listener& listener = *const_cast<FakeSlb*>(this)->find(form);
    Value body;
    body.set("LoadBalancerId", get(form, "LoadBalancerId")).set("ListenerPort", std::stoi(get(form, "ListenerPort")));
    body.set("Status", listener.status).set("ServerCertificateId", listener.certificateID);
    for (const auto& [name, value] : listener.settings) {
        body.set(name, value);
    }
    List items;
    for (const Extension& extension : listener.extensions) {
        Value item;
        item.set("DomainExtensionId", extension.id).set("Domain", extension.domain);
        item.set("ServerCertificateId", extension.certificateID);
        items.push_back(std::move(item));
    }
    Value wrapper;
    wrapper.set("DomainExtension", std::move(items));
    body.set("DomainExtensions", std::move(wrapper));
    return ok(std::move(body));
}

http::Response FakeSlb::upload(const Form& form) {
    if (certificates.size() >= quota) {
        return refusal(400, "OverQuota", "The number of server certificates has reached the quota.");
    }
    const auto chain = certificate::readCertificates(get(form, "ServerCertificate"));
    if (!chain || get(form, "PrivateKey").find("BEGIN RSA PRIVATE KEY") == std::string::npos) {
        return refusal(400, "KeyFormatError");
    }
    StoredCertificate stored;
    stored.id = "1234_16_" + std::to_string(++numbers_);
    stored.name = get(form, "ServerCertificateName");
    stored.fingerprint = chain->front().fingerprintSHA1;
    stored.expiresAt = chain->front().notAfter.time_since_epoch().count() * 1000;
    stored.createdAt = 1'795'334'400'000;
    for (int i = 1; form.count("Tag." + std::to_string(i) + ".Key") != 0; ++i) {
        const std::string prefix = "Tag." + std::to_string(i);
        stored.tags[get(form, prefix + ".Key")] = get(form, prefix + ".Value");
    }
    certificates.push_back(stored);
    Value body;
    body.set("ServerCertificateId", stored.id).set("Fingerprint", colonSeparated(stored.fingerprint));
    return ok(std::move(body));
}

http::Response FakeSlb::create(const Form& form) {
    if (find(form) != nullptr) {
        return refusal(400, "ListenerAlreadyExists", "There is already a listener on the specified port.");
    }
    Listener listener;
    listener.status = "stopped";
    listener.certificateID = get(form, "ServerCertificateId");
    for (const char* name : {"Bandwidth", "BackendServerPort", "HealthCheck", "StickySession", "TLSCipherPolicy"}) {
        if (form.count(name) != 0) {
            listener.settings[name] = get(form, name);
        }
    }
    balancers[get(form, "LoadBalancerId")].listeners[static_cast<std::uint16_t>(std::stoi(get(form, "ListenerPort")))] =
        listener;
    return done();
}

http::Response FakeSlb::set(const Form& form) {
    Listener& listener = *find(form);
    std::map<std::string, std::string>& settings = listener.settings;
    settings["HealthCheckDomain"] = "";
    if (strictSet) {
        for (const char* name :
             {"StickySessionType", "CookieTimeout", "Cookie", "HealthCheckURI", "HealthCheckMethod"}) {
            settings.erase(name);
        }
        settings["StickySession"] = "off";
        settings["HealthCheck"] = "off";
        settings["IdleTimeout"] = "15";
        settings["RequestTimeout"] = "60";
    }
    for (const auto& [name, value] : form) {
        const bool about = name.compare(0, 9, "Signature") == 0 || name == "Action" || name == "Version" ||
                           name == "Format" || name == "AccessKeyId" || name == "Timestamp" || name == "RegionId" ||
                           name == "LoadBalancerId" || name == "ListenerPort" || name == "VServerGroup" ||
                           name == "BackendServerPort";
        if (!about && name != "ServerCertificateId") {
            settings[name] = value;
        }
    }
    if (setChangesGzip) {
        settings["Gzip"] = "off";
    }
    if (form.count("ServerCertificateId") != 0) {
        listener.certificateID = get(form, "ServerCertificateId");
    }
    return done();
}

http::Response FakeSlb::start(const Form& form) {
    find(form)->status = "running";
    return done();
}

http::Response FakeSlb::createExtension(const Form& form) {
    Listener& listener = *find(form);
    const std::string domain = get(form, "Domain");
    const bool there = std::any_of(listener.extensions.begin(), listener.extensions.end(),
                                   [&](const Extension& extension) { return extension.domain == domain; });
    if (there) {
        return refusal(400, "InvalidParameter.Domain", "The specified Domain exists already.");
    }
    listener.extensions.push_back({"de-" + std::to_string(++numbers_), domain, get(form, "ServerCertificateId")});
    return done();
}

http::Response FakeSlb::changeExtension(const Form& form, bool remove) {
    for (auto& [id, balancer] : balancers) {
        for (auto& [port, listener] : balancer.listeners) {
            const auto found = std::find_if(listener.extensions.begin(), listener.extensions.end(),
                                            [&](const Extension& e) { return e.id == get(form, "DomainExtensionId"); });
            if (found == listener.extensions.end()) {
                continue;
            }
            if (remove) {
                listener.extensions.erase(found);
            } else {
                found->certificateID = get(form, "ServerCertificateId");
            }
            return done();
        }
    }
    return refusal(400, "InvalidParameter.DomainExtensionId");
}

}  // namespace certbinder::test
