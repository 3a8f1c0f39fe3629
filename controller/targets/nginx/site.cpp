#include "targets/nginx/site.h"

#include <string_view>

#include "base/text.h"

namespace certbinder::targets::nginx {

using base::Expected;
using base::Reason;
using base::unexpected;
using ssh::FileStatus;
using Kind = FileInPlace::Kind;

namespace {

std::string octal(std::uint32_t mode) {
    std::string digits = "0000";
    for (std::size_t i = 4; i-- > 0; mode >>= 3) {
        digits[i] = static_cast<char>('0' + (mode & 7));
    }
    return digits;
}

/// The text of the link at a path; nothing where there is no link.
Expected<std::optional<std::string>> linkText(ssh::RemoteHost& host, const std::string& path) {
    auto status = host.lstat(path);
    if (!status) {
        return unexpected(status.error());
    }
    if (!*status || (*status)->kind != FileStatus::Kind::kLink) {
        return std::optional<std::string>();
    }
    auto text = host.readLink(path);
    if (!text) {
        return unexpected(text.error());
    }
    return std::optional<std::string>(std::move(*text));
}

Expected<bool> exists(ssh::RemoteHost& host, const std::string& path) {
    auto status = host.lstat(path);
    if (!status) {
        return unexpected(status.error());
    }
    return status->has_value();
}

/// Whose the shared room is follows from the host alone, so that a pass after a crash, or one without any memory, comes
/// to the same answer.
Expected<Layout> chooseLayout(ssh::RemoteHost& host, const std::string& certificatePath,
                              const std::string& privateKeyPath) {
    const Layout shared = Layout::of(certificatePath, privateKeyPath, Room::kShared);
    const Layout own = Layout::of(certificatePath, privateKeyPath, Room::kOwn);
    auto says = linkText(host, certificatePath);
    if (!says) {
        return unexpected(says.error());
    }
    if (*says == shared.certificateLink || *says == own.certificateLink) {
        return *says == shared.certificateLink ? shared : own;
    }
    auto hasOwn = exists(host, own.live());  // a pair whose link was overwritten, or an adoption that was cut off
    if (!hasOwn) {
        return unexpected(hasOwn.error());
    }
    if (*hasOwn) {
        return own;
    }
    auto taken = exists(host, shared.live());
    if (!taken) {
        return unexpected(taken.error());
    }
    if (!*taken) {
        return shared;
    }
    auto byUs = exists(host, shared.live() + "/" + shared.certificateName);
    if (!byUs) {
        return unexpected(byUs.error());
    }
    return *byUs ? shared : own;
}

Expected<FileInPlace> look(ssh::RemoteHost& host, const std::string& path, const std::string& ourLink) {
    FileInPlace file;
    auto itself = host.lstat(path);
    if (!itself) {
        return unexpected(itself.error());
    }
    if (!*itself) {
        return file;
    }
    file.kind = Kind::kFile;
    if ((*itself)->kind == FileStatus::Kind::kLink) {
        auto says = host.readLink(path);
        if (!says) {
            return unexpected(says.error());
        }
        file.kind = *says == ourLink ? Kind::kOurs : Kind::kForeignLink;
    }
    auto status = host.stat(path);
    if (!status) {
        return unexpected(status.error());
    }
    if (!*status) {
        return file;
    }
    if ((*status)->kind != FileStatus::Kind::kFile) {
        return unexpected(Reason::kInvalidSpec, base::printable(path) +
                                                    " is not a file on the host but a directory or a device; give the "
                                                    "path of the file that nginx's configuration names");
    }
    file.status = **status;
    auto bytes = host.readFile(path, certificate::kMostPemBytes);
    if (!bytes) {
        return unexpected(bytes.error());
    }
    file.bytes = std::move(*bytes);
    return file;
}

Expected<std::optional<std::string>> versionAt(ssh::RemoteHost& host, const std::string& link, bool* present) {
    auto says = linkText(host, link);
    if (!says) {
        return unexpected(says.error());
    }
    if (present != nullptr) {
        *present = says->has_value();
    }
    return *says && isVersionName(**says) ? *says : std::nullopt;
}

void judgeLinks(Site& site) {
    const auto judge = [&](const FileInPlace& file, const std::string& path) {
        if (file.kind == Kind::kMissing || !file.status) {
            site.faults.push_back("there is no file " + path);
        } else if (file.kind != Kind::kOurs) {
            site.faults.push_back(path + " is not the link that a deployment leaves");
        }
    };
    judge(site.certificate, site.layout.certificatePath);
    judge(site.privateKey, site.layout.privateKeyPath);
    if (!site.live && site.certificate.kind == Kind::kOurs && site.certificate.status) {
        site.faults.push_back(site.layout.live() + " does not lead to a version");
    }
}

void judgeKey(Site& site, const certificate::Bundle& wanted, base::WallTime now) {
    const FileInPlace& key = site.privateKey;
    if (!key.status) {
        return;
    }
    const std::string& path = site.layout.privateKeyPath;
    if ((key.status->mode & ~kMostKeyMode) != 0) {
        site.faults.push_back("others than its owner may use the private key: " + path + " has mode " +
                              octal(key.status->mode));
    }
    if (!site.leaf) {
        return;
    }
    const bool isWanted = site.leaf->fingerprintSHA256 == wanted.leaf.fingerprintSHA256;
    if (isWanted && key.bytes.sameAs(wanted.keyPem)) {
        return;
    }
    const auto pair = certificate::makeBundle(site.certificate.bytes.reveal(), key.bytes, now);
    if (!pair || pair->leaf.fingerprintSHA256 != site.leaf->fingerprintSHA256) {
        site.faults.push_back("the private key in " + path + " does not belong to the certificate");
    } else if (isWanted) {
        site.faults.push_back("the private key in " + path + " is not written as a deployment writes it");
    }
}

void judgeCertificate(Site& site, const certificate::Bundle& wanted) {
    const FileInPlace& file = site.certificate;
    if (!file.status) {
        return;
    }
    const auto certificates = certificate::readCertificates(file.bytes.reveal());
    if (!certificates) {
        site.faults.push_back(site.layout.certificatePath +
                              " holds no certificate that can be read: " + certificates.error().message());
        return;
    }
    site.leaf = certificates->front();  // nginx takes the first one as the server's
    if (site.leaf->fingerprintSHA256 == wanted.leaf.fingerprintSHA256 && file.bytes.reveal() != wanted.chainPem) {
        site.faults.push_back("what " + site.layout.certificatePath +
                              " holds beside the certificate is not the chain of the source");
    }
}

}  // namespace

Expected<Site> inspect(ssh::RemoteHost& host, const std::string& certificatePath, const std::string& privateKeyPath,
                       const certificate::Bundle& wanted, base::WallTime now) {
    Site site;
    auto layout = chooseLayout(host, certificatePath, privateKeyPath);
    if (!layout) {
        return unexpected(layout.error());
    }
    site.layout = std::move(*layout);
    auto certificate = look(host, certificatePath, site.layout.certificateLink);
    if (!certificate) {
        return unexpected(certificate.error());
    }
    site.certificate = std::move(*certificate);
    auto privateKey = look(host, privateKeyPath, site.layout.privateKeyLink);
    if (!privateKey) {
        return unexpected(privateKey.error());
    }
    site.privateKey = std::move(*privateKey);

    auto live = versionAt(host, site.layout.live(), nullptr);
    auto previous = live ? versionAt(host, site.layout.previous(), nullptr) : live;
    auto pending = previous ? versionAt(host, site.layout.pending(), &site.interrupted) : previous;
    if (!pending) {
        return unexpected(pending.error());
    }
    if (!site.interrupted) {  // cut off while the mark was being made
        auto marking = exists(host, temporaryOf(site.layout.pending()));
        if (!marking) {
            return unexpected(marking.error());
        }
        site.interrupted = *marking;
    }
    site.live = std::move(*live);
    site.previous = std::move(*previous);
    site.pending = std::move(*pending);

    judgeLinks(site);
    judgeCertificate(site, wanted);
    judgeKey(site, wanted, now);
    return site;
}

}  // namespace certbinder::targets::nginx
