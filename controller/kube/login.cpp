#include "kube/login.h"

#include <mutex>
#include <optional>
#include <utility>

#include "base/digest.h"
#include "base/log.h"
#include "base/text.h"
#include "kube/reread_file.h"

namespace certbinder::kube {
namespace {

using base::Reason;
using Bytes = std::shared_ptr<const base::SecretBytes>;

constexpr std::chrono::seconds kCredentialsAge{60};
constexpr std::chrono::seconds kTrustAge{300};

base::SecretBytes bearer(std::string_view token) {
    base::SecretBytes value("Bearer ");
    value.append(base::trim(token));
    return value;
}

base::SecretBytes basic(const std::string& user, const base::SecretBytes& password) {
    base::SecretBytes plain(user + ":");
    plain.append(password.reveal());
    std::string encoded = base::toBase64(plain.reveal());
    base::SecretBytes value("Basic ");
    value.append(encoded);
    base::wipe(encoded);
    return value;
}

/// A value that stays, or a file that is looked at again.
class Item {
  public:
    Item(base::SecretBytes value, const std::string& file, const base::Clock& clock) {
        if (!value.empty()) {
            value_ = std::make_shared<const base::SecretBytes>(std::move(value));
        } else if (!file.empty()) {
            file_.emplace(file, kCredentialsAge, clock);
        }
    }

    /// Null where there is none.
    base::Expected<Bytes> current() { return file_ ? file_->current() : base::Expected<Bytes>(value_); }

    void forget() {
        if (file_) {
            file_->forget();
        }
    }

  private:
    Bytes value_;
    std::optional<RereadFile> file_;
};

class LoginCredentials final : public Credentials {
  public:
    LoginCredentials(Login login, const base::Clock& clock)
        : token_(login.tokenFile.empty() ? std::move(login.token) : base::SecretBytes(), login.tokenFile, clock),
          certificate_(base::SecretBytes(login.certificatePem), login.certificateFile, clock),
          key_(std::move(login.keyPem), login.keyFile, clock) {
        if (!login.user.empty()) {
            basic_ = basic(login.user, login.password);
        }
    }

    base::Expected<std::shared_ptr<const Identity>> current(const base::CallContext&) override {
        const std::scoped_lock lock(mutex_);
        const base::Expected<Bytes> token = token_.current();
        const base::Expected<Bytes> certificate = certificate_.current();
        const base::Expected<Bytes> key = key_.current();
        for (const base::Expected<Bytes>* part : {&token, &certificate, &key}) {
            if (!*part) {
                return base::unexpected(part->error());
            }
        }
        const Parts parts{*token, *certificate, *key};
        if (!identity_ || parts != parts_) {
            base::Expected<std::shared_ptr<const Identity>> made = make(parts);
            if (!made && !identity_) {
                return made;
            }
            if (made) {
                identity_ = std::move(*made);
                parts_ = parts;
            } else {
                // Certificate and key are two files: one may have been read before, one after they were replaced.
                certificate_.forget();
                key_.forget();
                base::logWarning("the new client certificate is not used", {{"error", made.error().message()}});
            }
        }
        return identity_;
    }

    void refused(const std::shared_ptr<const Identity>& identity) override {
        const std::scoped_lock lock(mutex_);
        if (identity == identity_) {
            token_.forget();
            certificate_.forget();
            key_.forget();
        }
    }

  private:
    struct Parts {
        Bytes token;
        Bytes certificate;
        Bytes key;

        bool operator==(const Parts&) const = default;
    };

    base::Expected<std::shared_ptr<const Identity>> make(const Parts& parts) const {
        const auto made = std::make_shared<Identity>();
        if (parts.token) {
            made->authorization = bearer(parts.token->reveal());
        } else {
            made->authorization = basic_.clone();
        }
        if (static_cast<bool>(parts.certificate) != static_cast<bool>(parts.key)) {
            return base::unexpected(Reason::kCredentialsInvalid, parts.key
                                                                     ? "a client key is given without its certificate"
                                                                     : "a client certificate is given without its key");
        }
        if (identity_ && parts.certificate == parts_.certificate && parts.key == parts_.key) {
            made->certificate = identity_->certificate;
        } else if (parts.certificate) {
            auto parsed = http::ClientCertificate::parse(parts.certificate->reveal(), *parts.key);
            if (!parsed) {
                return base::unexpected(std::move(parsed.error()));
            }
            made->certificate = std::move(*parsed);
        }
        return std::shared_ptr<const Identity>(made);
    }

    std::mutex mutex_;
    Item token_;
    Item certificate_;
    Item key_;
    base::SecretBytes basic_;
    Parts parts_;
    std::shared_ptr<const Identity> identity_;
};

class FixedTrust final : public TrustSource {
  public:
    explicit FixedTrust(std::string pem) : pem_(std::make_shared<const std::string>(std::move(pem))) {}
    base::Expected<std::shared_ptr<const std::string>> current() override { return pem_; }

  private:
    const std::shared_ptr<const std::string> pem_;
};

class FileTrust final : public TrustSource {
  public:
    FileTrust(std::string path, const base::Clock& clock) : file_(std::move(path), kTrustAge, clock) {}

    base::Expected<std::shared_ptr<const std::string>> current() override {
        const std::scoped_lock lock(mutex_);
        const base::Expected<Bytes> read = file_.current();
        if (!read) {
            return base::unexpected(read.error());
        }
        if (*read != bytes_) {
            bytes_ = *read;
            pem_ = std::make_shared<const std::string>(bytes_->reveal());
        }
        return pem_;
    }

  private:
    std::mutex mutex_;
    RereadFile file_;
    Bytes bytes_;
    std::shared_ptr<const std::string> pem_;
};

}  // namespace

std::unique_ptr<Credentials> makeCredentials(Login login, const base::Clock& clock) {
    return std::make_unique<LoginCredentials>(std::move(login), clock);
}

std::unique_ptr<TrustSource> fixedTrust(std::string pem) {
    return std::make_unique<FixedTrust>(std::move(pem));
}

std::unique_ptr<TrustSource> fileTrust(std::string path, const base::Clock& clock) {
    return std::make_unique<FileTrust>(std::move(path), clock);
}

}  // namespace certbinder::kube
