#include <algorithm>

#include "base/log.h"
#include "base/text.h"
#include "document/json.h"
#include "document/yaml.h"

namespace certbinder::document {
namespace {

constexpr int kIndent = 2;
/// YAML takes `key: value` on one line only for keys of up to 1024 characters; quoting may lengthen one sixfold.
constexpr std::size_t kMostSimpleKeyBytes = 1024;

constexpr std::string_view kDigits = "0123456789";
constexpr std::string_view kPlainStarts = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_";

/// Words that a reader of some version of YAML takes for a boolean or null.
bool isReservedWord(std::string_view text) {
    static constexpr std::string_view kWords[] = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"};
    const std::string lower = base::toLower(text);
    return std::find(std::begin(kWords), std::end(kWords), lower) != std::end(kWords);
}

/// Whether some version of YAML might read a number, a date or a time of day here. IPv4 addresses are none of these.
bool mayBeNumber(std::string_view text) {
    if (kDigits.find(text[0]) == std::string_view::npos) {
        return false;  // signs and dots at the start are quoted anyway
    }
    const bool onlyNumeric = text.find_first_not_of("0123456789abcdefABCDEFxXoO_.:+-TtZz ") == std::string_view::npos;
    const bool address = text.find_first_not_of("0123456789.") == std::string_view::npos &&
                         std::count(text.begin(), text.end(), '.') == 3;
    return onlyNumeric && !address;
}

/// Whether the text reads back as itself without quotes, in every version of YAML.
bool isPlain(std::string_view text) {
    if (text.empty() || text.size() > 1024 || text.back() == ' ' || text.back() == ':') {
        return false;
    }
    if (kPlainStarts.find(text[0]) == std::string_view::npos) {
        return false;
    }
    const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
    const bool structure = text.find(": ") != std::string_view::npos || text.find(" #") != std::string_view::npos;
    return printable && !structure && !isReservedWord(text) && !mayBeNumber(text);
}

/// The end of a sequence of UTF-8 that YAML does not count as printable, or `at` itself where there is none.
std::size_t unprintable(std::string_view text, std::size_t at) {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    if (byte(at) == 0xC2 && byte(at + 1) < 0xA0) {
        return at + 2;  // C1 controls
    }
    const bool separator = byte(at) == 0xE2 && byte(at + 1) == 0x80 && (byte(at + 2) == 0xA8 || byte(at + 2) == 0xA9);
    const bool mark = byte(at) == 0xEF && byte(at + 1) == 0xBB && byte(at + 2) == 0xBF;
    const bool nonCharacter = byte(at) == 0xEF && byte(at + 1) == 0xBF && byte(at + 2) >= 0xBE;
    return separator || mark || nonCharacter ? at + 3 : at;
}

/// In double quotes, with JSON's escapes, which are YAML's too, and what YAML wants escaped beyond them.
std::string doubleQuoted(std::string_view text) {
    static constexpr char kHex[] = "0123456789abcdef";
    const std::string json = base::quoteJson(text);
    std::string out;
    for (std::size_t at = 0; at < json.size();) {
        const std::size_t end = unprintable(json, at);
        if (end == at) {
            out += json[at++];
            continue;
        }
        unsigned code =
            end - at == 2 ? static_cast<unsigned char>(json[at]) & 0x1FU : static_cast<unsigned char>(json[at]) & 0x0FU;
        while (++at < end) {
            code = code << 6U | (static_cast<unsigned char>(json[at]) & 0x3FU);
        }
        out += "\\u";
        for (unsigned shift = 16; shift > 0; shift -= 4) {
            out += kHex[code >> (shift - 4) & 0xFU];
        }
    }
    return out;
}

/// Whether the text can be a literal block (`|`): several lines, nothing that a block cannot hold or would lose.
bool fitsBlock(std::string_view text) {
    if (text.size() < 2 || text.find('\n') == std::string_view::npos || !base::isValidUtf8(text)) {
        return false;
    }
    const bool startsBlank = text[0] == ' ' || text[0] == '\n' || text[0] == '\t';
    const bool endsBlank = text.substr(text.size() - 2) == "\n\n" || text.back() == ' ' || text.back() == '\t';
    if (startsBlank || endsBlank || text.find("\n\t") != std::string_view::npos ||
        text.find("\n \n") != std::string_view::npos) {
        return false;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F || unprintable(text, i) != i) {
            return false;
        }
    }
    // A line of blanks alone can be read as an empty one.
    for (const std::string& line : base::split(text, '\n')) {
        if (!line.empty() && line.find_first_not_of(' ') == std::string::npos) {
            return false;
        }
    }
    return true;
}

class Writer {
  public:
    std::string write(const Value& value) {
        if (value.isObject() && !value.asObject().empty()) {
            writeObject(value.asObject(), 0, false);
        } else if (value.isList() && !value.asList().empty()) {
            writeList(value.asList(), 0, false);
        } else {
            out_ += inlineText(value) + "\n";
        }
        return std::move(out_);
    }

  private:
    void pad(int indent) { out_.append(static_cast<std::size_t>(indent), ' '); }

    static std::string inlineText(const Value& value) {
        if (value.isString()) {
            return isPlain(value.asString()) ? value.asString() : doubleQuoted(value.asString());
        }
        return toJson(value);  // scalars, `[]` and `{}` are the same in both
    }

    void writeBlock(const std::string& text, int indent) {
        const bool ended = text.back() == '\n';
        out_ += ended ? " |\n" : " |-\n";
        for (const std::string& line :
             base::split(std::string_view(text).substr(0, text.size() - (ended ? 1 : 0)), '\n')) {
            if (!line.empty()) {
                pad(indent);
                out_ += line;
            }
            out_ += '\n';
        }
    }

    /// `startsInline`: the first line is already begun, by `- `.
    void writeObject(const Object& members, int indent, bool startsInline) {
        for (const Member& member : members) {
            if (!std::exchange(startsInline, false)) {
                pad(indent);
            }
            const std::string key = isPlain(member.name) ? member.name : doubleQuoted(member.name);
            if (key.size() > kMostSimpleKeyBytes) {
                out_ += "? " + key + "\n";
                pad(indent);
                out_ += ":";
            } else {
                out_ += key + ":";
            }
            writeFieldValue(member.value, indent);
        }
    }

    void writeFieldValue(const Value& value, int indent) {
        if (value.isObject() && !value.asObject().empty()) {
            out_ += '\n';
            writeObject(value.asObject(), indent + kIndent, false);
        } else if (value.isList() && !value.asList().empty()) {
            out_ += '\n';
            writeList(value.asList(), indent, false);  // dashes stand below the key, as kubectl writes them
        } else if (value.isString() && fitsBlock(value.asString())) {
            writeBlock(value.asString(), indent + kIndent);
        } else {
            out_ += " " + inlineText(value) + "\n";
        }
    }

    void writeList(const List& items, int indent, bool startsInline) {
        for (const Value& item : items) {
            if (!std::exchange(startsInline, false)) {
                pad(indent);
            }
            out_ += '-';
            if (item.isObject() && !item.asObject().empty()) {
                out_ += ' ';
                writeObject(item.asObject(), indent + kIndent, true);
            } else if (item.isList() && !item.asList().empty()) {
                out_ += ' ';
                writeList(item.asList(), indent + kIndent, true);
            } else if (item.isString() && fitsBlock(item.asString())) {
                writeBlock(item.asString(), indent + kIndent);
            } else {
                out_ += " " + inlineText(item) + "\n";
            }
        }
    }

    std::string out_;
};

}  // namespace

std::string toYaml(const Value& value) {
    return Writer().write(value);
}

}  // namespace certbinder::document
