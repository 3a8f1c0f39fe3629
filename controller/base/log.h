#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace certbinder::base {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

/// One field of a log line. Takes text and numbers, nothing else: a SecretBytes does not compile here.
struct LogField {
    LogField(std::string_view fieldName, std::string_view fieldValue) : name(fieldName), value(fieldValue) {}
    LogField(std::string_view fieldName, const char* fieldValue) : name(fieldName), value(fieldValue) {}
    LogField(std::string_view fieldName, std::string fieldValue) : name(fieldName), value(std::move(fieldValue)) {}
    LogField(std::string_view fieldName, std::int64_t number)
        : name(fieldName), value(std::to_string(number)), isNumber(true) {}

    std::string name;
    std::string value;
    bool isNumber = false;
};

/// Sets how and what the process logs; called once, before threads start.
void configureLog(LogFormat format, LogLevel least);
bool logs(LogLevel level);

/// Writes one line to standard error, whole and unmixed from whichever thread. JSON keys are ts, level, msg and the
/// fields' names; field names with a fixed meaning: namespace, name, endpoint, reason, error.
void log(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});

inline void logDebug(std::string_view message, std::initializer_list<LogField> fields = {}) {
    log(LogLevel::kDebug, message, fields);
}
inline void logInfo(std::string_view message, std::initializer_list<LogField> fields = {}) {
    log(LogLevel::kInfo, message, fields);
}
inline void logWarning(std::string_view message, std::initializer_list<LogField> fields = {}) {
    log(LogLevel::kWarning, message, fields);
}
inline void logError(std::string_view message, std::initializer_list<LogField> fields = {}) {
    log(LogLevel::kError, message, fields);
}

/// `text` as a JSON string with its quotes; broken UTF-8 is replaced, so that the line stays JSON.
std::string quoteJson(std::string_view text);

}  // namespace certbinder::base
