#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/certificate_binding.h"
#include "base/clock.h"
#include "cli/options.h"
#include "document/value.h"

namespace certbinder::cli {

/// Rows under a heading, each column as wide as its widest cell, as kubectl prints them.
class Table {
  public:
    explicit Table(std::vector<std::string> heading) { rows_.push_back(std::move(heading)); }
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    bool empty() const { return rows_.size() == 1; }
    std::string toString() const;

  private:
    std::vector<std::vector<std::string>> rows_;
};

/// A binding with what it was declared as.
struct Shown {
    std::shared_ptr<const api::CertificateBinding> binding;
    std::shared_ptr<const document::Value> manifest;
};

/// The bindings in the chosen form: the table of `kubectl get cb` and one of endpoints, or a v1 List.
std::string showBindings(const std::vector<Shown>& bindings, Output output, base::WallTime now);

/// JSON or YAML of a value, with the newline at its end.
std::string showValue(const document::Value& value, Output output);

/// Writes to standard output, whole. A reader that went away is no failure of the command.
void print(const std::string& text);

}  // namespace certbinder::cli
