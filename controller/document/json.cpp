#include "document/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <unordered_set>
#include <vector>

#include <simdjson.h>

#include "base/log.h"
#include "base/secret_bytes.h"
#include "base/text.h"
#include "document/path.h"

namespace certbinder::document {
namespace {

using base::Expected;
using base::Reason;
using base::unexpected;

constexpr int kMostJsonLevels = 128;
/// A parser keeps memory of about four times its largest text; a thread's own is not grown beyond this.
constexpr std::size_t kMostKeptBytes = std::size_t{1024} * 1024;

/// Finds the first mistake of a text that simdjson refused: simdjson tells what is wrong, but not where.
class MistakeFinder {
  public:
    explicit MistakeFinder(std::string_view text) : text_(text) {}

    /// `line:column` of the first mistake.
    std::string place() {
        if (value(0)) {
            blanks();
        }
        const auto before = text_.substr(0, at_);
        const auto line = 1 + std::count(before.begin(), before.end(), '\n');
        const std::size_t lineStart = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
        return std::to_string(line) + ":" + std::to_string(at_ - lineStart + 1);
    }

  private:
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

    void blanks() {
        while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
            ++at_;
        }
    }

    bool literal(std::string_view word) {
        if (text_.substr(at_, word.size()) != word) {
            return false;
        }
        at_ += word.size();
        return true;
    }

    bool digits() {
        const std::size_t start = at_;
        while (peek() >= '0' && peek() <= '9') {
            ++at_;
        }
        return at_ > start;
    }

    bool number() {
        const std::size_t start = at_;
        literal("-");
        if (!literal("0") && !digits()) {
            return false;
        }
        bool whole = true;
        if (literal(".")) {
            whole = false;
            if (!digits()) {
                return false;
            }
        }
        if (peek() == 'e' || peek() == 'E') {
            whole = false;
            ++at_;
            if (peek() == '+' || peek() == '-') {
                ++at_;
            }
            if (!digits()) {
                return false;
            }
        }
        if (whole && !base::parseInteger(text_.substr(start, at_ - start))) {
            at_ = start;
            return false;
        }
        return true;
    }

    bool string() {
        if (!literal("\"")) {
            return false;
        }
        while (at_ < text_.size() && peek() != '"') {
            if (static_cast<unsigned char>(peek()) < 0x20) {
                return false;
            }
            if (peek() == '\\') {
                if (at_ + 1 >= text_.size() ||
                    std::string_view("\"\\/bfnrtu").find(text_[at_ + 1]) == std::string_view::npos) {
                    return false;
                }
                ++at_;
            }
            ++at_;
        }
        return literal("\"");
    }

    /// A comma and what follows it, or the closing bracket; `more` tells which.
    bool nextItem(char closing, bool first, bool& more) {
        blanks();
        more = peek() != closing;
        if (!more) {
            ++at_;
            return true;
        }
        if (!first && !literal(",")) {
            return false;
        }
        blanks();
        return true;
    }

    bool container(char closing, int level) {
        ++at_;
        for (bool first = true;; first = false) {
            bool more = false;
            if (!nextItem(closing, first, more)) {
                return false;
            }
            if (!more) {
                return true;
            }
            if (closing == '}') {
                if (!string()) {
                    return false;
                }
                blanks();
                if (!literal(":")) {
                    return false;
                }
            }
            if (!value(level + 1)) {
                return false;
            }
        }
    }

    bool value(int level) {
        blanks();
        if (level > kMostJsonLevels) {
            return false;
        }
        switch (peek()) {
            case '{':
                return container('}', level);
            case '[':
                return container(']', level);
            case '"':
                return string();
            case 't':
                return literal("true");
            case 'f':
                return literal("false");
            case 'n':
                return literal("null");
            default:
                return number();
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

/// Turns simdjson's tree into values. The path is kept as steps and spelt out only for a mistake.
class Reader {
  public:
    Expected<Value> read(simdjson::dom::element element) {
        using simdjson::dom::element_type;
        if (steps_.size() > kMostJsonLevels) {
            steps_.resize(8);
            return unexpected(Reason::kInvalidSpec,
                              "it is nested over " + std::to_string(kMostJsonLevels) + " levels deep, below " + path());
        }
        switch (element.type()) {
            case element_type::ARRAY:
                return readList(element.get_array().value_unsafe());
            case element_type::OBJECT:
                return readObject(element.get_object().value_unsafe());
            case element_type::INT64:
                return Value(element.get_int64().value_unsafe());
            case element_type::UINT64:
                return unexpected(Reason::kInvalidSpec, "the integer at " + path() + " does not fit 64 bits");
            case element_type::DOUBLE:
                return Value(element.get_double().value_unsafe());
            case element_type::STRING:
                return Value(element.get_string().value_unsafe());
            case element_type::BOOL:
                return Value(element.get_bool().value_unsafe());
            case element_type::NULL_VALUE:
                break;
        }
        return Value();
    }

  private:
    struct Step {
        std::optional<std::string_view> name;  ///< of a field; none for an item
        std::size_t index = 0;
    };

    std::string path() const {
        std::string path;
        for (const Step& step : steps_) {
            path = step.name ? fieldPath(path, *step.name) : itemPath(path, step.index);
        }
        return path.empty() ? "the top" : path;
    }

    Expected<Value> readList(simdjson::dom::array array) {
        List items;
        steps_.push_back({});
        for (const simdjson::dom::element element : array) {
            steps_.back().index = items.size();
            auto item = read(element);
            if (!item) {
                return item;
            }
            items.push_back(std::move(*item));
        }
        steps_.pop_back();
        return Value(std::move(items));
    }

    Expected<Value> readObject(simdjson::dom::object object) {
        Object members;
        steps_.push_back({});
        for (const simdjson::dom::key_value_pair field : object) {
            steps_.back().name = field.key;
            auto value = read(field.value);
            if (!value) {
                return value;
            }
            members.push_back({std::string(field.key), std::move(*value), {}});
        }
        if (const auto twice = firstDuplicate(members)) {
            steps_.back().name = *twice;
            return unexpected(Reason::kInvalidSpec, "the field " + path() + " is there twice");
        }
        steps_.pop_back();
        return Value(std::move(members));
    }

    static std::optional<std::string_view> firstDuplicate(const Object& members) {
        constexpr std::size_t kFew = 16;
        if (members.size() <= kFew) {
            for (std::size_t i = 1; i < members.size(); ++i) {
                for (std::size_t k = 0; k < i; ++k) {
                    if (members[i].name == members[k].name) {
                        return members[i].name;
                    }
                }
            }
            return std::nullopt;
        }
        std::unordered_set<std::string_view> names;
        for (const Member& member : members) {
            if (!names.insert(member.name).second) {
                return member.name;
            }
        }
        return std::nullopt;
    }

    std::vector<Step> steps_;
};

/// What simdjson needs for a text, wiped after use: the text may be a Secret.
struct Workspace {
    simdjson::dom::parser parser;
    std::string padded;

    Expected<Value> parse(std::string_view text) {
        padded.reserve(text.size() + simdjson::SIMDJSON_PADDING);
        padded.assign(text);
        simdjson::dom::element root;
        const auto error = parser.parse(padded.data(), text.size(), false).get(root);
        Expected<Value> value = error == simdjson::SUCCESS ? Reader().read(root) : refusal(text, error);
        base::wipe(padded);
        if (parser.doc.string_buf) {
            // Strings need at most five bytes for three of the text.
            const std::size_t used = std::min(5 * text.size() / 3 + 1, 5 * parser.capacity() / 3);
            explicit_bzero(parser.doc.string_buf.get(), used);
        }
        return value;
    }

    static tl::unexpected<base::Error> refusal(std::string_view text, simdjson::error_code error) {
        if (error == simdjson::EMPTY) {
            return unexpected(Reason::kInvalidSpec, "the text is empty, where JSON is meant");
        }
        std::string what = "this is not JSON";
        if (error == simdjson::UTF8_ERROR) {
            what = "this is not UTF-8";
        } else if (error == simdjson::DEPTH_ERROR) {
            what = "it is nested over " + std::to_string(kMostJsonLevels) + " levels deep";
        } else if (error == simdjson::NUMBER_ERROR) {
            what = "this number is malformed or does not fit 64 bits";
        } else if (error == simdjson::CAPACITY || error == simdjson::MEMALLOC) {
            return unexpected(Reason::kInvalidSpec, "the text is too large");
        }
        return unexpected(Reason::kInvalidSpec, "line " + MistakeFinder(text).place() + ": " + what);
    }
};

void write(std::string& out, const Value& value, int indent, int level);

void newLine(std::string& out, int indent, int level) {
    if (indent > 0) {
        out += '\n';
        out.append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(level), ' ');
    }
}

void writeNumber(std::string& out, const Value& value) {
    char buffer[32];
    std::to_chars_result written{};
    if (value.isInteger()) {
        written = std::to_chars(std::begin(buffer), std::end(buffer), value.asInteger());
    } else if (std::isfinite(value.asNumber())) {
        written = std::to_chars(std::begin(buffer), std::end(buffer), value.asNumber());
    } else {
        out += "null";  // JSON has no infinity
        return;
    }
    out.append(std::begin(buffer), written.ptr);
}

void writeList(std::string& out, const List& items, int indent, int level) {
    out += '[';
    for (std::size_t i = 0; i < items.size(); ++i) {
        out += i > 0 ? "," : "";
        newLine(out, indent, level + 1);
        write(out, items[i], indent, level + 1);
    }
    if (!items.empty()) {
        newLine(out, indent, level);
    }
    out += ']';
}

void writeObject(std::string& out, const Object& members, int indent, int level) {
    out += '{';
    for (std::size_t i = 0; i < members.size(); ++i) {
        out += i > 0 ? "," : "";
        newLine(out, indent, level + 1);
        out += base::quoteJson(members[i].name);
        out += indent > 0 ? ": " : ":";
        write(out, members[i].value, indent, level + 1);
    }
    if (!members.empty()) {
        newLine(out, indent, level);
    }
    out += '}';
}

void write(std::string& out, const Value& value, int indent, int level) {
    if (value.isObject()) {
        writeObject(out, value.asObject(), indent, level);
    } else if (value.isList()) {
        writeList(out, value.asList(), indent, level);
    } else if (value.isString()) {
        out += base::quoteJson(value.asString());
    } else if (value.isNumber()) {
        writeNumber(out, value);
    } else if (value.isBool()) {
        out += value.asBool() ? "true" : "false";
    } else {
        out += "null";
    }
}

}  // namespace

Expected<Value> parseJson(std::string_view text) {
    if (text.size() > kMostKeptBytes) {
        Workspace workspace;
        return workspace.parse(text);
    }
    thread_local Workspace workspace;
    return workspace.parse(text);
}

std::string toJson(const Value& value, int indent) {
    std::string out;
    write(out, value, indent, 0);
    return out;
}

}  // namespace certbinder::document
