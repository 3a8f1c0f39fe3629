#include "base/log.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>

#include "base/text.h"
#include "base/time_text.h"

namespace certbinder::base {
namespace {

// A process has one log, and whoever has something to say may write to it, without it being handed around.
std::atomic<LogFormat> format{LogFormat::kText};    // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
std::atomic<LogLevel> leastLevel{LogLevel::kInfo};  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kLevelNames[] = {"debug", "info", "warning", "error"};

std::string timestamp() {
    const auto now = std::chrono::system_clock::now();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(now);
    const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now - seconds).count();
    const std::string fraction = std::to_string(1000 + milliseconds).substr(1);  // with its leading zeros
    std::string text = formatTime(seconds);
    text.pop_back();
    return text + "." + fraction + "Z";
}

std::string jsonLine(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
    std::string line = "{\"ts\":\"" + timestamp() + "\",\"level\":\"";
    line += kLevelNames[static_cast<std::size_t>(level)];
    line += "\",\"msg\":" + quoteJson(message);
    for (const LogField& field : fields) {
        line += "," + quoteJson(field.name) + ":" + (field.isNumber ? field.value : quoteJson(field.value));
    }
    return line + "}\n";
}

std::string textLine(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
    std::string line = timestamp() + " ";
    line += kLevelNames[static_cast<std::size_t>(level)];
    line += " ";
    line += printable(message, 4096);
    for (const LogField& field : fields) {
        const bool bare = !field.value.empty() && field.value.find_first_of(" \"=\n\t\\") == std::string::npos;
        line += " " + field.name + "=" + (bare ? printable(field.value, 4096) : quoteJson(field.value));
    }
    return line + "\n";
}

}  // namespace

void configureLog(LogFormat newFormat, LogLevel least) {
    format = newFormat;
    leastLevel = least;
}

bool logs(LogLevel level) {
    return level >= leastLevel.load();
}

void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
    if (!logs(level)) {
        return;
    }
    const std::string line =
        format.load() == LogFormat::kJson ? jsonLine(level, message, fields) : textLine(level, message, fields);
    // One write a line keeps lines of threads apart. A reader that went away must not stop the work: what cannot be
    // written is dropped.
    std::string_view rest = line;
    while (!rest.empty()) {
        const ssize_t written = ::write(STDERR_FILENO, rest.data(), rest.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return;
        }
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
}

std::string quoteJson(std::string_view text) {
    std::string quoted = "\"";
    const bool sound = isValidUtf8(text);
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            quoted += '\\';
            quoted += c;
        } else if (c == '\n') {
            quoted += "\\n";
        } else if (c == '\t') {
            quoted += "\\t";
        } else if (c == '\r') {
            quoted += "\\r";
        } else if (byte < 0x20 || byte == 0x7F) {
            quoted += "\\u00";
            quoted += kHexDigits[byte >> 4];
            quoted += kHexDigits[byte & 0xF];
        } else if (byte >= 0x80 && !sound) {
            quoted += "\\ufffd";
        } else {
            quoted += c;
        }
    }
    return quoted + "\"";
}

}  // namespace certbinder::base
