#include "document/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>

#include "base/text.h"
#include "document/path.h"

namespace certbinder::document {
namespace {

constexpr std::size_t kMostYamlLevels = 100;
constexpr std::size_t kMostDocuments = 20000;
/// A file that is no YAML at all may be wrong everywhere: nobody reads more than this.
constexpr std::size_t kMostFaults = 100;

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

bool isOneOf(std::string_view word, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

/// Whether plain text is a number of YAML 1.2's core schema: [-+]? (. digits | digits (. digits*)?) ([eE] [-+]?
/// digits)? Numbers with leading zeros are left out: some readers take them for octal, so they are text and a schema
/// that wants a number says so.
bool looksNumeric(std::string_view text, bool& whole) {
    std::size_t at = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    const auto digits = [&] {
        const std::size_t start = at;
        while (at < text.size() && isDigit(text[at])) {
            ++at;
        }
        return at - start;
    };
    const std::size_t start = at;
    const std::size_t before = digits();
    if (before > 1 && text[start] == '0') {
        return false;
    }
    whole = true;
    std::size_t behind = 0;
    if (at < text.size() && text[at] == '.') {
        whole = false;
        ++at;
        behind = digits();
    }
    if (before + behind == 0) {
        return false;
    }
    if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
        whole = false;
        ++at;
        if (at < text.size() && (text[at] == '-' || text[at] == '+')) {
            ++at;
        }
        if (digits() == 0) {
            return false;
        }
    }
    return at == text.size();
}

struct Scalar {
    Value value;
    const char* mistake = nullptr;
};

/// What plain (unquoted) text means.
Scalar resolvePlain(const std::string& text) {
    if (isOneOf(text, {"", "~", "null", "Null", "NULL"})) {
        return {};
    }
    if (isOneOf(text, {"true", "True", "TRUE"})) {
        return {Value(true)};
    }
    if (isOneOf(text, {"false", "False", "FALSE"})) {
        return {Value(false)};
    }
    const std::string_view unsignedText = std::string_view(text).substr(text[0] == '-' || text[0] == '+' ? 1 : 0);
    if (isOneOf(unsignedText, {".inf", ".Inf", ".INF"}) || isOneOf(text, {".nan", ".NaN", ".NAN"})) {
        return {{}, "infinity and not-a-number do not exist in Kubernetes objects: quote it if text is meant"};
    }
    bool whole = false;
    if (!looksNumeric(text, whole)) {
        return {Value(text)};
    }
    const char* first = text.data() + (text[0] == '+' ? 1 : 0);
    const char* last = text.data() + text.size();
    if (whole) {
        std::int64_t integer = 0;
        if (std::from_chars(first, last, integer).ec != std::errc()) {
            return {{}, "this number does not fit 64 bits: quote it if text is meant"};
        }
        return {Value(integer)};
    }
    double number = 0;
    if (std::from_chars(first, last, number).ec != std::errc() || !std::isfinite(number)) {
        return {{}, "this number is out of range: quote it if text is meant"};
    }
    return {Value(number)};
}

/// A part of the stream that holds one document, and where it begins.
struct Chunk {
    std::string_view text;
    int firstLine = 1;
};

/// `---` or `...` at the start of a line, followed by white space or nothing. Inside of scalars YAML forbids such
/// lines, so that they divide the stream whatever stands between them, sound or not.
bool isMarker(std::string_view line, std::string_view marker) {
    return line.substr(0, 3) == marker &&
           (line.size() == 3 || line[3] == ' ' || line[3] == '\t' || line[3] == '\n' || line[3] == '\r');
}

bool isBlankOrComment(std::string_view line) {
    const std::string_view content = base::trim(line);
    return content.empty() || content[0] == '#';
}

std::vector<Chunk> splitDocuments(std::string_view text) {
    std::vector<Chunk> chunks;
    std::size_t start = 0;  // of the chunk
    int startLine = 1;
    bool hasContent = false;  // something that is no comment, or a marker
    const auto close = [&](std::size_t end) {
        if (hasContent) {
            chunks.push_back({text.substr(start, end - start), startLine});
        }
        hasContent = false;
    };
    std::size_t at = 0;
    for (int line = 1; at < text.size(); ++line) {
        const std::size_t newLine = text.find('\n', at);
        const std::size_t next = newLine == std::string_view::npos ? text.size() : newLine + 1;
        const std::string_view content = text.substr(at, next - at);
        const bool ends = isMarker(content, "...");
        if (ends || (isMarker(content, "---") && hasContent)) {
            close(at);
            start = ends ? next : at;
            startLine = ends ? line + 1 : line;
        }
        // Directives belong to the marker that follows them.
        if (!ends && !isBlankOrComment(content) && content[0] != '%') {
            hasContent = true;
        }
        at = next;
    }
    close(text.size());
    return chunks;
}

/// Builds the value of one document from the parser's events. Events instead of yaml-cpp's nodes: nodes forget where
/// keys stand, share what aliases name, and can be cycles.
class Builder final : public YAML::EventHandler {
  public:
    Builder(const Chunk& chunk, std::vector<Fault>& faults) : chunk_(chunk), faults_(faults) {}

    const Value& root() const { return root_; }
    Value takeRoot() { return std::move(root_); }
    bool started() const { return started_; }
    void expectEnd() { ended_ = true; }

    Position positionOf(const YAML::Mark& mark) const {
        return mark.line < 0 ? Position{chunk_.firstLine, 1} : Position{chunk_.firstLine + mark.line, mark.column + 1};
    }

    /// A mistake that ends the reading. The parser reads ahead, so that the path it is at may be another's. Where the
    /// rest is ignored, what the parser makes of it is, too.
    void faultOfSyntax(Position position, std::string message) {
        if (!ignoring_) {
            faultAt("", position, std::move(message));
        }
    }

    void fault(Position position, std::string message) { faultAt(path(), position, std::move(message)); }
    bool faulty() const { return faulty_; }

    /// Where the parser is.
    std::string path() const {
        std::string path;
        for (const Frame& frame : frames_) {
            if (frame.isMap && frame.hasKey) {
                path = fieldPath(path, frame.key);
            } else if (!frame.isMap) {
                path = itemPath(path, frame.items.size());
            }
        }
        return path;
    }

    void OnDocumentStart(const YAML::Mark& mark) override {
        if (ended_) {
            fault(positionOf(mark),
                  "text follows the end of the document: is its indentation right, or is a line `---` missing?");
            ignoring_ = true;
        }
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
        place(Value(), positionOf(mark), bytesAt(mark, 1).find_first_of("~nN") == std::string_view::npos);
    }

    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
        if (!ignoring_) {
            fault(positionOf(mark), "aliases are not read: write out the value that is meant");
        }
        place(Value("alias"), positionOf(mark));
    }

    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& text) override {
        checkTag(mark, tag);
        if (tag == "!") {  // quoted or a block
            checkClosed(mark);
            place(Value(text), positionOf(mark));
            return;
        }
        const bool isKey = !frames_.empty() && frames_.back().isMap && !frames_.back().hasKey;
        if (isKey && text == "<<" && !ignoring_) {
            fault(positionOf(mark), "merge keys are not read: write out the fields that are meant");
        }
        Scalar scalar = resolvePlain(text);
        if (scalar.mistake != nullptr && !ignoring_) {
            fault(positionOf(mark), scalar.mistake);
        }
        place(std::move(scalar.value), positionOf(mark));
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                         YAML::EmitterStyle::value) override {
        checkTag(mark, tag);
        open(false, positionOf(mark));
    }
    void OnSequenceEnd() override { close(); }

    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                    YAML::EmitterStyle::value) override {
        checkTag(mark, tag);
        open(true, positionOf(mark));
    }
    void OnMapEnd() override { close(); }

  private:
    void faultAt(std::string path, Position position, std::string message) {
        faulty_ = true;
        if (faults_.size() < kMostFaults) {
            faults_.push_back({position, std::move(path), std::move(message)});
        }
    }

    struct Frame {
        bool isMap = false;
        bool hasKey = false;  ///< of a map: a key was read, its value comes next
        Position position;
        std::string key;
        Position keyPosition;
        List items;
        Object members;
    };

    std::string_view bytesAt(const YAML::Mark& mark, std::size_t count) const {
        const auto at = static_cast<std::size_t>(std::max(mark.pos, 0));
        return at < chunk_.text.size() ? chunk_.text.substr(at, count) : std::string_view();
    }

    void checkTag(const YAML::Mark& mark, const std::string& tag) {
        // "?" is the parser's word for plain and "!" for quoted; `! x` is told from the latter by its place alone.
        const bool written = (tag != "?" && tag != "!" && !tag.empty()) || bytesAt(mark, 1) == "!";
        if (written && !ignoring_) {
            fault(positionOf(mark), "tags are not read: write the value without `!`, in quotes if text is meant");
        }
    }

    /// yaml-cpp takes the end of the text for the end of a quotation.
    void checkClosed(const YAML::Mark& mark) {
        const std::string_view text = chunk_.text;
        auto at = static_cast<std::size_t>(std::max(mark.pos, 0));
        if (at < text.size() && text[at] == '&') {
            at = std::min(text.find_first_not_of(" \n", text.find_first_of(" \n", at)), text.size());
        }
        if (ignoring_ || at >= text.size() || (text[at] != '\'' && text[at] != '"')) {
            return;
        }
        const char quote = text[at];
        while (++at < text.size()) {
            if (quote == '"' && text[at] == '\\') {
                ++at;
            } else if (text[at] == quote) {
                if (quote == '"' || text.substr(at + 1, 1) != "'") {
                    return;
                }
                ++at;  // '' stands for one
            }
        }
        fault(positionOf(mark), "this quote is never closed");
    }

    void open(bool isMap, Position position) {
        started_ = true;
        if (ignoring_) {
            return;
        }
        if (frames_.size() >= kMostYamlLevels) {
            fault(position, "this is nested over " + std::to_string(kMostYamlLevels) + " levels deep");
            ignoring_ = true;
            return;
        }
        Frame frame;
        frame.isMap = isMap;
        frame.position = position;
        frames_.push_back(std::move(frame));
    }

    void close() {
        if (ignoring_) {
            return;
        }
        Frame frame = std::move(frames_.back());
        frames_.pop_back();
        if (frame.isMap) {
            checkDuplicates(frame.members);
        }
        place(frame.isMap ? Value(std::move(frame.members)) : Value(std::move(frame.items)), frame.position);
    }

    /// Puts a finished value where it belongs: a key, a field's value, an item, the whole document.
    void place(Value value, Position position, bool nothingWritten = false) {
        started_ = true;
        if (ignoring_) {
            return;
        }
        value.setPosition(position);
        if (frames_.empty()) {
            root_ = std::move(value);
            return;
        }
        Frame& frame = frames_.back();
        if (!frame.isMap) {
            frame.items.push_back(std::move(value));
        } else if (!frame.hasKey) {
            placeKey(frame, value, position);
        } else {
            if (nothingWritten) {
                // The parser is at whatever follows; the field is what a person would look at.
                value.setPosition(frame.keyPosition);
            }
            frame.members.push_back({std::move(frame.key), std::move(value), frame.keyPosition});
            frame.key.clear();
            frame.hasKey = false;
        }
    }

    void placeKey(Frame& frame, const Value& key, Position position) {
        if (!key.isString()) {
            fault(position, "a field's name must be text: put this one in quotes");
        }
        frame.key = key.asString();
        frame.keyPosition = position;
        frame.hasKey = true;
    }

    void checkDuplicates(const Object& members) {
        std::vector<const Member*> byName;
        byName.reserve(members.size());
        for (const Member& member : members) {
            byName.push_back(&member);
        }
        std::stable_sort(byName.begin(), byName.end(),
                         [](const Member* one, const Member* other) { return one->name < other->name; });
        for (std::size_t i = 1; i < byName.size(); ++i) {
            if (byName[i]->name == byName[i - 1]->name) {
                faultAt(fieldPath(path(), byName[i]->name), byName[i]->position,
                        "the field \"" + base::printable(byName[i]->name, 80) + "\" is there twice, first in line " +
                            std::to_string(byName[i - 1]->position.line));
            }
        }
    }

    const Chunk& chunk_;
    std::vector<Fault>& faults_;
    std::vector<Frame> frames_;
    Value root_;
    bool started_ = false;
    bool ended_ = false;
    bool ignoring_ = false;  ///< the rest of the events says nothing new
    bool faulty_ = false;
};

/// The first line, up to the one where the parser gave up, that is indented with a tab.
std::optional<Position> indentingTab(const Chunk& chunk, int lastLine) {
    std::size_t at = 0;
    for (int line = chunk.firstLine; line <= lastLine && at < chunk.text.size(); ++line) {
        const std::size_t content = chunk.text.find_first_not_of(' ', at);
        if (content != std::string_view::npos && chunk.text[content] == '\t') {
            return Position{line, static_cast<int>(content - at) + 1};
        }
        const std::size_t newLine = chunk.text.find('\n', at);
        at = newLine == std::string_view::npos ? chunk.text.size() : newLine + 1;
    }
    return std::nullopt;
}

void reportSyntax(Builder& builder, const Chunk& chunk, const YAML::Exception& error) {
    const Position position = builder.positionOf(error.mark);
    if (const auto tab = indentingTab(chunk, position.line)) {
        builder.faultOfSyntax(*tab, "a tab stands where YAML wants spaces for the indentation");
        return;
    }
    // Behind a colon yaml-cpp quotes what it met: from 0.8 on the whole name of an unknown alias, which may well be a
    // password that begins with `*`.
    const std::string_view reason = std::string_view(error.msg).substr(0, error.msg.find(": "));
    builder.faultOfSyntax(position, "this is not YAML: " + base::printable(reason, 200));
}

void parseChunk(const Chunk& chunk, YamlDocuments& result) {
    Builder builder(chunk, result.faults);
    try {
        std::istringstream stream{std::string(chunk.text)};
        YAML::Parser parser(stream);
        if (parser.HandleNextDocument(builder)) {
            // The chunk was cut out as one document: what the parser takes for a second one is text left over.
            builder.expectEnd();
            parser.HandleNextDocument(builder);
        }
    } catch (const YAML::Exception& error) {
        reportSyntax(builder, chunk, error);
    } catch (const std::exception& error) {
        builder.faultOfSyntax({chunk.firstLine, 1}, std::string("this YAML cannot be read: ") + error.what());
    }
    if (!builder.faulty() && builder.started() && !builder.root().isNull()) {
        result.documents.push_back(builder.takeRoot());
    }
}

Position positionAt(std::string_view text, std::size_t offset) {
    const std::string_view before = text.substr(0, offset);
    const std::size_t newLine = before.rfind('\n');
    return {1 + static_cast<int>(std::count(before.begin(), before.end(), '\n')),
            static_cast<int>(offset - (newLine == std::string_view::npos ? 0 : newLine + 1)) + 1};
}

/// Where UTF-8 ends to be valid.
std::size_t firstBadByte(std::string_view text) {
    // Lines are whole sequences, so the bad one is found first; within it the longest valid prefix is the answer.
    std::size_t start = 0;
    while (start < text.size()) {
        const std::size_t newLine = text.find('\n', start);
        const std::size_t end = newLine == std::string_view::npos ? text.size() : newLine + 1;
        if (!base::isValidUtf8(text.substr(start, end - start))) {
            break;
        }
        start = end;
    }
    std::size_t good = start;
    for (std::size_t length = 1; good + length <= text.size() && length <= 4;) {
        if (base::isValidUtf8(text.substr(good, length))) {
            good += length;
            length = 1;
        } else {
            ++length;
        }
    }
    return good;
}

/// A byte that YAML allows nowhere, if there is one.
std::optional<Fault> forbiddenByte(std::string_view text) {
    if (!base::isValidUtf8(text)) {
        return Fault{positionAt(text, firstBadByte(text)), "",
                     "the text is not valid UTF-8 here: save the file as UTF-8"};
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7F) {
            return Fault{positionAt(text, i), "",
                         "a control character (" + base::printable(text.substr(i, 1)) +
                             ") stands here, which YAML allows only as an escape in double quotes"};
        }
    }
    return std::nullopt;
}

/// The text as the parser gets it: lines end with \n alone, as they do for our own splitting and counting.
std::string normalized(std::string_view text) {
    std::string plain;
    plain.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\r') {
            if (i + 1 < text.size() && text[i + 1] == '\n') {
                continue;
            }
            plain += '\n';
        } else {
            plain += text[i];
        }
    }
    return plain;
}

}  // namespace

YamlDocuments parseYaml(std::string_view text) {
    YamlDocuments result;
    if (text.size() > kMostYamlBytes) {
        result.faults.push_back({{1, 1}, "", "the text has over " + std::to_string(kMostYamlBytes) + " bytes"});
        return result;
    }
    constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
    if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
        text.remove_prefix(kByteOrderMark.size());
    }
    const std::string lines = normalized(text);
    if (auto bad = forbiddenByte(lines)) {
        result.faults.push_back(std::move(*bad));
        return result;
    }
    const std::vector<Chunk> chunks = splitDocuments(lines);
    if (chunks.size() > kMostDocuments) {
        result.faults.push_back({{chunks[kMostDocuments].firstLine, 1},
                                 "",
                                 "the text has over " + std::to_string(kMostDocuments) + " documents"});
        return result;
    }
    for (const Chunk& chunk : chunks) {
        parseChunk(chunk, result);
    }
    return result;
}

}  // namespace certbinder::document
