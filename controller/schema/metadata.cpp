#include "schema/metadata.h"

#include <algorithm>

#include "base/text.h"
#include "document/path.h"
#include "schema/suggestion.h"

namespace certbinder::schema {
namespace {

using document::fieldPath;
using document::Member;
using document::Value;

constexpr std::size_t kMostNameBytes = 253;
constexpr std::size_t kMostLabelBytes = 63;
constexpr std::size_t kMostAnnotationBytes = std::size_t{256} * 1024;  // of all annotations together

bool isLowerOrDigit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool isAlphanumeric(char c) {
    return isLowerOrDigit(c) || (c >= 'A' && c <= 'Z');
}

/// RFC 1123 label as Kubernetes defines it.
bool isDnsLabel(std::string_view text) {
    return !text.empty() && text.size() <= kMostLabelBytes && isLowerOrDigit(text.front()) &&
           isLowerOrDigit(text.back()) &&
           std::all_of(text.begin(), text.end(), [](char c) { return isLowerOrDigit(c) || c == '-'; });
}

bool isDnsSubdomain(std::string_view text) {
    if (text.empty() || text.size() > kMostNameBytes) {
        return false;
    }
    for (const std::string& part : base::split(text, '.')) {
        // Kubernetes bounds the whole name alone, not its parts.
        if (part.empty() || !isLowerOrDigit(part.front()) || !isLowerOrDigit(part.back()) ||
            !std::all_of(part.begin(), part.end(), [](char c) { return isLowerOrDigit(c) || c == '-'; })) {
            return false;
        }
    }
    return true;
}

/// The name part of a label's or annotation's key, and a label's value.
bool isLabelText(std::string_view text) {
    return !text.empty() && text.size() <= kMostLabelBytes && isAlphanumeric(text.front()) &&
           isAlphanumeric(text.back()) && std::all_of(text.begin(), text.end(), [](char c) {
               return isAlphanumeric(c) || c == '-' || c == '_' || c == '.';
           });
}

bool isQualifiedName(std::string_view key, bool lowered) {
    const std::string name = lowered ? base::toLower(key) : std::string(key);
    const std::size_t slash = name.find('/');
    if (slash == std::string::npos) {
        return isLabelText(name);
    }
    return isDnsSubdomain(std::string_view(name).substr(0, slash)) &&
           isLabelText(std::string_view(name).substr(slash + 1));
}

class MetaValidator {
  public:
    MetaValidator(const Value& meta, Validator& validator) : meta_(meta), validator_(validator) {}

    void validate() {
        for (const Member& member : meta_.asObject()) {
            validateField(member);
        }
        if (meta_.find("name") == nullptr) {
            validator_.fault(meta_.position(), "metadata.name", "is required");
        }
    }

  private:
    void fault(const Member& member, std::string message) {
        validator_.fault(member.value.position(), fieldPath("metadata", member.name), std::move(message));
    }

    void validateField(const Member& member) {
        static const std::vector<std::string> kServersOwn = {
            "finalizers",        "ownerReferences", "resourceVersion", "uid",           "creationTimestamp",
            "deletionTimestamp", "generation",      "selfLink",        "managedFields", "deletionGracePeriodSeconds",
            "generateName"};
        if (member.name == "name") {
            validateName(
                member, isDnsSubdomain(member.value.asString()),
                "lower-case letters, digits, `-` and `.`, at most 253, beginning and ending with a letter or digit");
        } else if (member.name == "namespace") {
            validateName(member, isDnsLabel(member.value.asString()),
                         "lower-case letters, digits and `-`, at most 63, beginning and ending with a letter or digit");
        } else if (member.name == "labels" || member.name == "annotations") {
            validateTexts(member);
        } else if (std::find(kServersOwn.begin(), kServersOwn.end(), member.name) == kServersOwn.end()) {
            unknown(member, kServersOwn);
        }
    }

    void validateName(const Member& member, bool sound, const std::string& form) {
        if (!member.value.isString()) {
            fault(member, std::string("must be text, not ") + std::string(member.value.kindName()) +
                              (member.value.isNumber() || member.value.isBool() ? ": put it in quotes" : ""));
        } else if (!sound) {
            fault(member, "\"" + base::printable(member.value.asString(), 60) + "\" is no such name: " + form);
        }
    }

    void validateTexts(const Member& texts) {
        if (texts.value.isNull()) {
            return;  // as kubectl writes empty ones
        }
        if (!texts.value.isObject()) {
            fault(texts, "must be an object with fields, not " + std::string(texts.value.kindName()));
            return;
        }
        const bool areLabels = texts.name == "labels";
        std::size_t bytes = 0;
        for (const Member& text : texts.value.asObject()) {
            validateText(text, fieldPath("metadata", texts.name), areLabels);
            bytes += text.name.size() + text.value.asString().size();
        }
        if (!areLabels && bytes > kMostAnnotationBytes) {
            fault(texts, "has over " + std::to_string(kMostAnnotationBytes) + " bytes, all names and values together");
        }
    }

    void validateText(const Member& text, const std::string& parent, bool isLabel) {
        const std::string path = fieldPath(parent, text.name);
        if (!isQualifiedName(text.name, !isLabel)) {
            validator_.fault(text.position, path,
                             "the name must be letters, digits, `-`, `_` and `.`, at most 63, with a DNS name and `/` "
                             "before it or not");
        }
        if (!text.value.isString()) {
            validator_.fault(text.value.position(), path,
                             "must be text, not " + std::string(text.value.kindName()) + ": put it in quotes");
        } else if (isLabel && !text.value.asString().empty() && !isLabelText(text.value.asString())) {
            validator_.fault(text.value.position(), path,
                             "a label's value must be letters, digits, `-`, `_` and `.`, at most 63, beginning and "
                             "ending with a letter or digit");
        }
    }

    void unknown(const Member& member, std::vector<std::string> known) {
        known.insert(known.end(), {"name", "namespace", "labels", "annotations"});
        const std::string meant = nearest(member.name, known);
        validator_.fault(member.position, fieldPath("metadata", member.name),
                         "unknown field \"" + base::printable(member.name, 60) + "\"" +
                             (meant.empty() ? "" : ": did you mean \"" + meant + "\"?"));
    }

    const Value& meta_;
    Validator& validator_;
};

void validateWord(const Value& object, std::string_view field, std::string_view expected, Validator& validator) {
    const Value* word = object.find(field);
    if (word == nullptr) {
        validator.fault(object.position(), std::string(field), "is required: write " + std::string(expected));
    } else if (word->asString() != expected) {
        validator.fault(word->position(), std::string(field),
                        "must be " + std::string(expected) +
                            (word->isString() ? ", not \"" + base::printable(word->asString(), 60) + "\"" : ""));
    }
}

}  // namespace

void validateMeta(const Value& object, std::string_view apiVersion, std::string_view kind, Validator& validator) {
    validateWord(object, "apiVersion", apiVersion, validator);
    validateWord(object, "kind", kind, validator);
    const Value* meta = object.find("metadata");
    if (meta == nullptr) {
        validator.fault(object.position(), "metadata.name", "is required");
    } else if (!meta->isObject()) {
        validator.fault(meta->position(), "metadata",
                        "must be an object with fields, not " + std::string(meta->kindName()));
    } else {
        MetaValidator(*meta, validator).validate();
    }
}

}  // namespace certbinder::schema
