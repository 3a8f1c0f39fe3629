#include "certificate/pem.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/digest.h"
#include "base/text.h"

namespace certbinder::certificate {
namespace {

using base::Reason;
using base::unexpected;

constexpr std::string_view kBegin = "-----BEGIN ";
constexpr std::string_view kEnd = "-----END ";
constexpr std::string_view kDashes = "-----";
constexpr std::size_t kMostLabelBytes = 64;
constexpr auto kNowhere = std::string_view::npos;

std::size_t lineAt(std::string_view text, std::size_t offset) {
    std::size_t line = 1;
    for (std::size_t i = 0; i < offset; ++i) {
        const bool carriageReturnAlone = text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n');
        line += (text[i] == '\n' || carriageReturnAlone) ? 1U : 0U;
    }
    return line;
}

/// What a text without blocks probably is, since "no PEM" alone sends people in circles.
std::string guessAt(std::string_view text) {
    if (base::trim(text).empty()) {
        return "it is empty";
    }
    if (text.find('\0') != kNowhere && (text.front() == '\xFF' || text.front() == '\xFE' || text.front() == '-')) {
        return "it looks like UTF-16: save it as UTF-8 or ASCII";
    }
    if (text.front() == '\x30') {
        return "it looks like DER or PKCS#12: convert it to PEM (openssl x509 -inform DER, openssl pkcs12 -nodes)";
    }
    return "PEM begins with a line like -----BEGIN CERTIFICATE-----; look at whether it was encoded once too often";
}

/// The label that ends in dashes on the line where it starts, if it is one.
std::optional<std::string_view> labelAt(std::string_view text, std::size_t start) {
    const std::size_t end = text.substr(start, kMostLabelBytes + kDashes.size()).find(kDashes);
    if (end == kNowhere) {
        return std::nullopt;
    }
    const std::string_view label = text.substr(start, end);
    const auto plain = [](char c) { return c >= ' ' && c <= '~'; };
    return std::all_of(label.begin(), label.end(), plain) ? std::optional(label) : std::nullopt;
}

/// Calls `visit` with each line of a block's body, without blanks around it; empty lines are left out.
template <typename Visit>
void forEachLine(std::string_view body, Visit visit) {
    while (!body.empty()) {
        const std::size_t end = std::min(body.find_first_of("\r\n"), body.size());
        const std::string_view line = base::trim(body.substr(0, end));
        if (!line.empty()) {
            visit(line);
        }
        body.remove_prefix(std::min(end + 1, body.size()));
    }
}

/// The line of a header, as `DEK-Info: …`; base64 has no colon.
bool isHeader(std::string_view line) {
    return line.find(':') != kNowhere;
}

std::string nameOf(const PemBlock& block, std::string_view what) {
    return std::string(what) + ": the block " + base::printable(block.label) + " that begins in line " +
           std::to_string(block.line);
}

}  // namespace

base::Expected<std::vector<PemBlock>> splitPem(std::string_view text, std::string_view what, PemLimits limits) {
    if (text.size() > limits.bytes) {
        return unexpected(Reason::kInvalidCertificate, std::string(what) + " has " + std::to_string(text.size()) +
                                                           " bytes, more than the " + std::to_string(limits.bytes) +
                                                           " that are read: leave only what belongs to it");
    }
    std::vector<PemBlock> blocks;
    for (std::size_t at = text.find(kBegin); at != kNowhere; at = text.find(kBegin, at)) {
        const auto label = labelAt(text, at + kBegin.size());
        if (!label) {
            at += kBegin.size();  // prose that quotes the words
            continue;
        }
        if (blocks.size() == limits.blocks) {
            return unexpected(Reason::kInvalidCertificate, std::string(what) + " has more than " +
                                                               std::to_string(limits.blocks) +
                                                               " PEM blocks: leave only what belongs to it");
        }
        PemBlock block{*label, {}, lineAt(text, at)};
        const std::size_t start = at + kBegin.size() + label->size() + kDashes.size();
        const std::size_t end = text.find(std::string(kEnd) + std::string(*label) + std::string(kDashes), start);
        if (end == kNowhere || text.substr(start, end - start).find(kBegin) != kNowhere) {
            return unexpected(Reason::kInvalidCertificate,
                              nameOf(block, what) +
                                  " has no END line: the text was cut off or mixed up; hand in the "
                                  "whole file");
        }
        block.body = text.substr(start, end - start);
        blocks.push_back(block);
        at = end + kEnd.size() + label->size() + kDashes.size();
    }
    if (blocks.empty()) {
        return unexpected(Reason::kInvalidCertificate, std::string(what) + " holds no PEM block: " + guessAt(text));
    }
    return blocks;
}

base::Expected<base::SecretBytes> decodePem(const PemBlock& block, std::string_view what) {
    base::SecretBytes base64;
    forEachLine(block.body, [&](std::string_view line) {
        if (!isHeader(line)) {
            base64.append(line);
        }
    });
    auto der = base::fromBase64(base64.reveal());
    if (!der) {
        return unexpected(Reason::kInvalidCertificate,
                          nameOf(block, what) +
                              " is not base64: something in it was lost, added or replaced; hand in "
                              "the file as it was issued");
    }
    if (der->empty()) {
        return unexpected(Reason::kInvalidCertificate,
                          nameOf(block, what) + " is empty; hand in the file as it was issued");
    }
    return std::move(*der);
}

bool saysEncrypted(const PemBlock& block) {
    bool encrypted = false;
    forEachLine(block.body, [&](std::string_view line) {
        encrypted = encrypted || (isHeader(line) && line.find("ENCRYPTED") != kNowhere);
    });
    return encrypted;
}

}  // namespace certbinder::certificate
