#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/reason.h"

namespace certbinder::base {

/// A failure as data: the reason decides what is done about it, the message is for a person. The message never holds
/// a secret: SecretBytes cannot be put into one. Copyable, not thread-safe.
class Error {
  public:
    Error(Reason reason, std::string message) : reason_(reason), message_(std::move(message)) {}

    Reason reason() const { return reason_; }
    Remedy remedy() const { return remedyOf(reason_); }

    /// The message with its context, outermost first: "host 10.0.0.4:22: reading /etc/x: permission denied".
    std::string message() const;

    /// The message without its context, for those who look at what exactly was said.
    const std::string& bareMessage() const { return message_; }

    /// Says where it happened; layers add theirs on the way up. One that the layer below named already is told once.
    Error&& in(std::string place) &&;

    /// The other side's own code (`Throttling.User`, `SCM.0010`), where there was one.
    const std::string& code() const { return code_; }
    Error&& withCode(std::string code) &&;

    /// How long the other side asked to wait, at least.
    const std::optional<std::chrono::milliseconds>& retryAfter() const { return retryAfter_; }
    Error&& after(std::chrono::milliseconds wait) &&;

  private:
    Reason reason_;
    std::string message_;
    std::vector<std::string> places_;
    std::string code_;
    std::optional<std::chrono::milliseconds> retryAfter_;
};

}  // namespace certbinder::base
