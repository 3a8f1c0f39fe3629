#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "document/yaml.h"
#include "schema/schema.h"
#include "support/test.h"

using namespace certbinder;
using document::Fault;

namespace {

const std::string kCorpus = std::string(CERTBINDER_SOURCE_DIR) + "/tests/data/validate/";

struct File {
    std::string name;
    std::string text;
};

std::vector<File> filesOf(const std::string& folder) {
    std::vector<File> files;
    for (const auto& entry : std::filesystem::directory_iterator(kCorpus + folder)) {
        std::ifstream stream(entry.path(), std::ios::binary);
        std::ostringstream text;
        text << stream.rdbuf();
        files.push_back({entry.path().filename().string(), text.str()});
    }
    std::sort(files.begin(), files.end(), [](const File& one, const File& other) { return one.name < other.name; });
    return files;
}

/// `LINE:COL: path: message` of every mistake in a text, YAML's and the schema's.
std::vector<std::string> faultsOf(const std::string& text) {
    document::YamlDocuments read = document::parseYaml(text);
    std::vector<Fault> faults = read.faults;
    for (document::Value& object : read.documents) {
        for (Fault& fault : schema::Schema::certificateBinding().defaultAndValidate(object)) {
            faults.push_back(std::move(fault));
        }
    }
    std::vector<std::string> lines;
    for (const Fault& fault : faults) {
        lines.push_back(std::to_string(fault.position.line) + ":" + std::to_string(fault.position.column) + ": " +
                        fault.path + ": " + fault.message);
    }
    return lines;
}

std::vector<std::string> expectationsOf(const std::string& text) {
    const std::string mark = "# expect: ";
    std::vector<std::string> expectations;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line) && line.compare(0, mark.size(), mark) == 0;) {
        expectations.push_back(line.substr(mark.size()));
    }
    return expectations;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) {
        text += line + "\n";
    }
    return text;
}

/// One random change, of a byte, a line or a token.
std::string mutated(std::string text, std::mt19937& random, const std::vector<File>& files) {
    static const std::string_view kTokens[] = {"",
                                               "~",
                                               "{}",
                                               "[]",
                                               "-1",
                                               "0",
                                               "1e400",
                                               "yes",
                                               "'",
                                               "\"",
                                               ": ",
                                               "- ",
                                               "&a ",
                                               "*a",
                                               "!!x ",
                                               "\t",
                                               "|",
                                               ">",
                                               "---\n",
                                               "...\n",
                                               "\xFF",
                                               "\x01",
                                               "{",
                                               "[",
                                               "}",
                                               "]",
                                               "99999999999999999999",
                                               "\xEF\xBB\xBF",
                                               "? ",
                                               "%YAML 1.1\n",
                                               "<<: ",
                                               "\r",
                                               "#"};
    const std::size_t at = text.empty() ? 0 : random() % text.size();
    switch (random() % 6) {
        case 0:
            return text.insert(at, kTokens[random() % std::size(kTokens)]);
        case 1:
            return text.erase(at, random() % 20);
        case 2:
            return text.replace(at, std::min<std::size_t>(random() % 8, text.size() - at),
                                kTokens[random() % std::size(kTokens)]);
        case 3:
            return text.substr(0, at);
        case 4: {
            const std::string& other = files[random() % files.size()].text;
            return text.substr(0, at) + other.substr(random() % other.size());
        }
        default:
            if (!text.empty()) {
                text[at] = static_cast<char>(random());
            }
            return text;
    }
}

}  // namespace

TEST_CASE("every good file of the corpus has no fault", "[schema][corpus]") {
    const auto files = filesOf("good");
    CHECK(files.size() >= 10);
    for (const File& file : files) {
        INFO(file.name);
        CHECK(joined(faultsOf(file.text)).empty());
        CHECK_FALSE(document::parseYaml(file.text).documents.empty());
    }
}

TEST_CASE("every bad file of the corpus has the faults it announces, at their places, and no others",
          "[schema][corpus]") {
    const auto files = filesOf("bad");
    CHECK(files.size() >= 60);
    for (const File& file : files) {
        const std::vector<std::string> faults = faultsOf(file.text);
        const std::vector<std::string> expectations = expectationsOf(file.text);
        INFO(file.name << "\n" << joined(faults));
        REQUIRE_FALSE(expectations.empty());
        CHECK(faults.size() == expectations.size());
        for (const std::string& expected : expectations) {
            INFO("expected " << expected);
            // The place and the path in full, of the message a part.
            const std::size_t path = expected.find(": ", expected.find(": ") + 2) + 2;
            CHECK(std::any_of(faults.begin(), faults.end(), [&](const std::string& fault) {
                return fault.compare(0, path, expected, 0, path) == 0 &&
                       fault.find(expected.substr(path), path) != std::string::npos;
            }));
        }
    }
}

TEST_CASE("no change of a file makes its reading fail otherwise than by faults with a place", "[schema][corpus]") {
    const unsigned seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::vector<File> files = filesOf("good");
    for (File& file : filesOf("bad")) {
        files.push_back(std::move(file));
    }
    for (int round = 0; round < 3000; ++round) {
        std::string text = files[random() % files.size()].text;
        for (std::size_t changes = 1 + random() % 4; changes > 0; --changes) {
            text = mutated(std::move(text), random, files);
        }
        const document::YamlDocuments read = document::parseYaml(text);
        std::size_t count = read.faults.size();
        INFO(text);
        for (const Fault& fault : read.faults) {
            REQUIRE(fault.position.line > 0);
            REQUIRE(fault.position.column > 0);
        }
        for (document::Value object : read.documents) {
            for (const Fault& fault : schema::Schema::certificateBinding().defaultAndValidate(object)) {
                REQUIRE(fault.position.line > 0);
                ++count;
            }
        }
        REQUIRE(count < 20000);
    }
}
