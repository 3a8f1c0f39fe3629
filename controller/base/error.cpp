#include "base/error.h"

namespace certbinder::base {

std::string Error::message() const {
    std::string whole;
    for (auto place = places_.rbegin(); place != places_.rend(); ++place) {
        whole += *place + ": ";
    }
    return whole + message_;
}

Error&& Error::in(std::string place) && {
    // Two layers may both know the place; once is enough for a reader.
    if (places_.empty() || places_.back() != place) {
        places_.push_back(std::move(place));
    }
    return std::move(*this);
}

Error&& Error::withCode(std::string code) && {
    code_ = std::move(code);
    return std::move(*this);
}

Error&& Error::after(std::chrono::milliseconds wait) && {
    retryAfter_ = wait;
    return std::move(*this);
}

}  // namespace certbinder::base
