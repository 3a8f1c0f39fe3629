#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/clock.h"

namespace certbinder::runtime {

/// What a work queue does, without threads and without a clock of its own, after client-go's util/workqueue: a key is
/// worked on by one worker at a time, a key added while it is worked on gets another turn, and a key waits once, for
/// the earliest of the times it was asked for. Among keys that are due, urgent ones go first. Not thread-safe.
template <typename Key>
class QueueCore {
  public:
    enum class Urgency {
        kLive,       ///< something changed: ahead of the crowd of a start or of regular looks
        kBackground  ///< a start-up item or a regular look
    };

    void add(const Key& key, Urgency urgency) {
        undelay(key);
        if (processing_.count(key) != 0) {
            again_.insert(key);
            return;
        }
        if (urgency == Urgency::kLive) {
            if (waiting_.insert(key).second) {
                live_.push_back(key);
            } else if (const auto behind = std::find(background_.begin(), background_.end(), key);
                       behind != background_.end()) {
                background_.erase(behind);
                live_.push_back(key);
            }
        } else if (waiting_.insert(key).second) {
            background_.push_back(key);
        }
    }

    /// Adds the key when `due` has come. An earlier time that was asked for before stands.
    void addAt(const Key& key, base::SteadyTime due) {
        if (waiting_.count(key) != 0 || again_.count(key) != 0) {
            return;
        }
        if (const auto known = delayed_.find(key); known != delayed_.end()) {
            if (known->second <= due) {
                return;
            }
            undelay(key);
        }
        delayed_.emplace(key, due);
        byDue_.emplace(due, key);
    }

    /// Takes the next key, which is being worked on until `done`.
    std::optional<Key> take(base::SteadyTime now) {
        promote(now);
        std::deque<Key>& line = live_.empty() ? background_ : live_;
        if (line.empty()) {
            return std::nullopt;
        }
        Key key = std::move(line.front());
        line.pop_front();
        waiting_.erase(key);
        processing_.insert(key);
        return key;
    }

    void done(const Key& key) {
        processing_.erase(key);
        if (again_.erase(key) != 0) {
            add(key, Urgency::kLive);
        }
    }

    /// Forgets a key that waits; one that is worked on gets no other turn.
    void forget(const Key& key) {
        undelay(key);
        again_.erase(key);
        if (waiting_.erase(key) != 0) {
            const auto drop = [&](std::deque<Key>& line) {
                line.erase(std::remove(line.begin(), line.end(), key), line.end());
            };
            drop(live_);
            drop(background_);
        }
    }

    /// When the next delayed key is due; nothing where none waits.
    std::optional<base::SteadyTime> nextDue() const {
        return byDue_.empty() ? std::nullopt : std::optional(byDue_.begin()->first);
    }

    std::size_t ready() const { return live_.size() + background_.size(); }
    std::size_t processing() const { return processing_.size(); }

  private:
    void promote(base::SteadyTime now) {
        while (!byDue_.empty() && byDue_.begin()->first <= now) {
            const Key key = byDue_.begin()->second;
            add(key, Urgency::kBackground);
        }
    }

    void undelay(const Key& key) {
        const auto known = delayed_.find(key);
        if (known != delayed_.end()) {
            byDue_.erase({known->second, key});
            delayed_.erase(known);
        }
    }

    std::deque<Key> live_;
    std::deque<Key> background_;
    std::set<Key> waiting_;  ///< what is in the two lines
    std::set<Key> processing_;
    std::set<Key> again_;  ///< being worked on and asked for once more
    std::map<Key, base::SteadyTime> delayed_;
    std::set<std::pair<base::SteadyTime, Key>> byDue_;  ///< the same, in the order of time
};

}  // namespace certbinder::runtime
