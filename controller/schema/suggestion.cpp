#include "schema/suggestion.h"

#include <algorithm>
#include <numeric>

#include "base/text.h"

namespace certbinder::schema {
namespace {

/// Insertions, deletions and replacements from one word to the other.
std::size_t distance(std::string_view one, std::string_view other) {
    std::vector<std::size_t> row(other.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= one.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t k = 1; k <= other.size(); ++k) {
            const std::size_t above = row[k];
            row[k] = std::min({above + 1, row[k - 1] + 1, diagonal + (one[i - 1] == other[k - 1] ? 0U : 1U)});
            diagonal = above;
        }
    }
    return row.back();
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
    constexpr std::size_t kLongest = 64;
    if (word.size() > kLongest) {
        return "";
    }
    const std::string lower = base::toLower(word);
    std::string best;
    // A third of the letters may differ; more is another word.
    std::size_t bestDistance = word.size() / 3 + 2;
    for (const std::string& candidate : known) {
        const std::size_t d = distance(lower, base::toLower(candidate));
        if (d < bestDistance && d < candidate.size()) {
            bestDistance = d;
            best = candidate;
        }
    }
    return best;
}

}  // namespace certbinder::schema
