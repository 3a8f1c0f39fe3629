#include "kube/line_splitter.h"

namespace certbinder::kube {

LineSplitter::State LineSplitter::take(std::string_view piece, const OnLine& onLine) {
    while (state_ == State::kMore) {
        const std::size_t end = piece.find('\n');
        const std::string_view part = piece.substr(0, end);
        if (part.size() > mostBytes_ - rest_.size()) {
            return state_ = State::kTooLong;
        }
        if (end == std::string_view::npos) {
            rest_.append(part);
            break;
        }
        piece.remove_prefix(end + 1);
        if (rest_.empty()) {
            state_ = hand(part, onLine);
        } else {
            rest_.append(part);
            state_ = hand(rest_.reveal(), onLine);
            rest_.clear();
        }
    }
    return state_;
}

LineSplitter::State LineSplitter::finish(const OnLine& onLine) {
    if (state_ == State::kMore) {
        state_ = hand(rest_.reveal(), onLine);
        rest_.clear();
    }
    return state_;
}

LineSplitter::State LineSplitter::hand(std::string_view line, const OnLine& onLine) {
    if (!line.empty() && line.back() == '\r') {
        line.remove_suffix(1);
    }
    return line.empty() || onLine(line) ? State::kMore : State::kEnough;
}

}  // namespace certbinder::kube
