#include "kube/exec_credential.h"

#include <unistd.h>

#include <algorithm>
#include <mutex>

#include "base/log.h"
#include "base/text.h"
#include "base/time_text.h"
#include "document/json.h"
#include "http/cpprest_transport.h"
#include "kube/wipe_strings.h"

namespace certbinder::kube {
namespace {

using base::Reason;
using document::Value;

constexpr std::size_t kMostOutput = 1 << 20;
constexpr std::size_t kMostShownErrors = 300;
constexpr std::chrono::seconds kRenewBefore{30};
constexpr std::chrono::seconds kPauseAfterFailure{5};

/// RFC 3339, also with an offset: plugins are written in every language.
std::optional<base::WallTime> parseExpiry(const std::string& text) {
    const std::size_t sign = text.size() > 6 ? text.size() - 6 : 0;
    if (sign == 0 || (text[sign] != '+' && text[sign] != '-') || text[sign + 3] != ':') {
        return base::parseTime(text);
    }
    const auto time = base::parseTime(text.substr(0, sign) + "Z");
    const auto hours = base::parseInteger(text.substr(sign + 1, 2));
    const auto minutes = base::parseInteger(text.substr(sign + 4));
    if (!time || !hours || !minutes || *hours < 0 || *hours > 23 || *minutes < 0 || *minutes > 59) {
        return std::nullopt;
    }
    const std::chrono::minutes offset(*hours * 60 + *minutes);
    return text[sign] == '+' ? *time - offset : *time + offset;
}

struct Made {
    std::shared_ptr<const Identity> identity;
    std::optional<base::WallTime> expires;
};

base::Expected<Made> readAnswer(Value& answer, const std::string& apiVersion) {
    const auto bad = [](std::string why) { return base::unexpected(Reason::kCredentialsInvalid, std::move(why)); };
    if (answer["kind"].asString() != "ExecCredential" || answer["apiVersion"].asString() != apiVersion) {
        return bad("its output is not an ExecCredential of " + apiVersion + ", the version the kubeconfig names");
    }
    Value* status = answer.find("status");
    if (status == nullptr || !status->isObject()) {
        return bad("its output has no status");
    }
    const auto made = std::make_shared<Identity>();
    if (const std::string& token = (*status)["token"].asString(); !token.empty()) {
        made->authorization = base::SecretBytes("Bearer ");
        made->authorization.append(token);
    }
    const std::string& certificate = (*status)["clientCertificateData"].asString();
    const std::string& key = (*status)["clientKeyData"].asString();
    if (certificate.empty() != key.empty()) {
        return bad("its output holds only one of client certificate and key");
    }
    if (!certificate.empty()) {
        auto parsed = http::ClientCertificate::parse(certificate, base::SecretBytes(key));
        if (!parsed) {
            return base::unexpected(std::move(parsed.error()));
        }
        made->certificate = std::move(*parsed);
    }
    if (made->authorization.empty() && !made->certificate) {
        return bad("its output holds neither a token nor a client certificate");
    }
    Made result{made, std::nullopt};
    if (const Value& expiry = (*status)["expirationTimestamp"]; !expiry.isNull()) {
        result.expires = parseExpiry(expiry.asString());
        if (!result.expires) {
            return bad("its expirationTimestamp is not a time in the form of RFC 3339");
        }
    }
    return result;
}

class ExecCredentials final : public Credentials {
  public:
    ExecCredentials(ExecPlugin plugin, const base::Clock& clock, RunProcess run)
        : plugin_(std::move(plugin)), clock_(clock), run_(std::move(run)) {}

    base::Expected<std::shared_ptr<const Identity>> current(const base::CallContext& context) override {
        const std::scoped_lock lock(mutex_);
        if (!stale()) {
            return made_->identity;
        }
        if (failure_ && clock_.steadyNow() < failedAt_ + kPauseAfterFailure) {
            return usable() ? base::Expected<std::shared_ptr<const Identity>>(made_->identity)
                            : base::unexpected(*failure_);
        }
        base::Expected<Made> made = run(context);
        if (made) {
            made_ = std::move(*made);
            refused_ = false;
            failure_.reset();
            return made_->identity;
        }
        base::Error error = std::move(made.error()).in("credential plugin " + base::printable(plugin_.command));
        if (context.stop.stop_requested()) {
            return base::unexpected(std::move(error));  // says nothing of the plugin
        }
        failure_ = error;
        failedAt_ = clock_.steadyNow();
        if (usable()) {
            base::logWarning("credentials could not be renewed; the present ones are used until they expire",
                             {{"error", error.message()}});
            return made_->identity;
        }
        return base::unexpected(std::move(error));
    }

    void refused(const std::shared_ptr<const Identity>& identity) override {
        const std::scoped_lock lock(mutex_);
        if (made_ && made_->identity == identity) {
            refused_ = true;
        }
    }

  private:
    bool expiresWithin(std::chrono::seconds margin) const {
        return made_->expires && clock_.wallNow() + margin >= *made_->expires;
    }
    bool stale() const { return !made_ || refused_ || expiresWithin(kRenewBefore); }
    bool usable() const { return made_ && !refused_ && !expiresWithin(std::chrono::seconds(0)); }

    base::Expected<Made> run(const base::CallContext& context) const {
        std::vector<std::string> arguments{plugin_.command};
        arguments.insert(arguments.end(), plugin_.arguments.begin(), plugin_.arguments.end());
        auto ended = run_(arguments, environment(), kMostOutput, context.within(plugin_.timeout, clock_));
        if (!ended) {
            const bool missing = ended.error().reason() == Reason::kCredentialsNotFound;
            return base::unexpected(missing ? Reason::kCredentialsNotFound : Reason::kCredentialsInvalid,
                                    ended.error().message() + hint(missing));
        }
        if (ended->exitCode != 0) {
            const std::string said = base::printable(base::trim(ended->errors), kMostShownErrors);
            return base::unexpected(Reason::kCredentialsInvalid, "it ended with exit code " +
                                                                     std::to_string(ended->exitCode) +
                                                                     (said.empty() ? "" : " and said: " + said));
        }
        base::Expected<Value> answer = document::parseJson(ended->output.reveal());
        if (!answer) {
            return base::unexpected(Reason::kCredentialsInvalid, "its output is not JSON");
        }
        base::Expected<Made> made = readAnswer(*answer, plugin_.apiVersion);
        wipeStrings(*answer);
        return made;
    }

    std::string hint(bool missing) const {
        return missing && !plugin_.installHint.empty() ? "\n" + plugin_.installHint : "";
    }

    std::vector<std::string> environment() const {
        std::vector<std::pair<std::string, std::string>> own = plugin_.environment;
        Value spec;
        spec.set("interactive", false);
        if (plugin_.cluster) {
            spec.set("cluster", *plugin_.cluster);
        }
        Value info;
        info.set("apiVersion", plugin_.apiVersion).set("kind", "ExecCredential").set("spec", std::move(spec));
        own.emplace_back("KUBERNETES_EXEC_INFO", document::toJson(info));

        std::vector<std::string> result;
        for (char** entry = environ; *entry != nullptr; ++entry) {
            const std::string text = *entry;
            const std::string name = text.substr(0, text.find('='));
            const bool replaced = std::any_of(own.begin(), own.end(), [&](const auto& o) { return o.first == name; });
            // What this process has made of that variable for itself would leave the plugin without authorities.
            if (!replaced && name != "SSL_CERT_FILE") {
                result.push_back(text);
            }
        }
        const std::optional<std::string> caFile = http::settingsFromEnvironment().extraCaFile;
        if (caFile && std::none_of(own.begin(), own.end(), [](const auto& o) { return o.first == "SSL_CERT_FILE"; })) {
            result.push_back("SSL_CERT_FILE=" + *caFile);
        }
        for (const auto& [name, value] : own) {
            result.push_back(name + "=" + value);
        }
        return result;
    }

    const ExecPlugin plugin_;
    const base::Clock& clock_;
    const RunProcess run_;
    std::mutex mutex_;
    std::optional<Made> made_;
    bool refused_ = false;
    std::optional<base::Error> failure_;
    base::SteadyTime failedAt_{};
};

}  // namespace

std::unique_ptr<Credentials> makeExecCredentials(ExecPlugin plugin, const base::Clock& clock, RunProcess run) {
    return std::make_unique<ExecCredentials>(std::move(plugin), clock, std::move(run));
}

}  // namespace certbinder::kube
