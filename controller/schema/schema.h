#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "base/expected.h"
#include "document/value.h"
#include "document/yaml.h"

namespace certbinder::schema {

/// The CustomResourceDefinition that is compiled into the binary, `crds/…yaml`, byte for byte.
std::string_view certificateBindingCrd();

/// The structural schema of CertificateBinding v1alpha1 as the API server would enforce it: types, required fields,
/// enumerations, patterns, bounds, unknown fields (strict, as kubectl's validation), and the CEL rules
/// (x-kubernetes-validations) with their messages. Immutable, thread-safe.
class Schema {
  public:
    /// The one of the compiled-in CRD; lives as long as the process.
    static const Schema& certificateBinding();

    /// The one of another CRD's only version, for the same checks of other kinds; an error where the CRD holds what is
    /// not understood here, be it a keyword, a pattern or a rule.
    static base::Expected<std::unique_ptr<const Schema>> ofCrd(std::string_view yaml);

    /// Fills in the schema's defaults, then checks; the object with its defaults stays in `object` even with faults.
    /// A value's mistake is located at the value, a broken rule at the object it is about. The status is the
    /// controller's: it is taken as it is. Faults come in the order of the text.
    std::vector<document::Fault> defaultAndValidate(document::Value& object) const;

    ~Schema();
    Schema(const Schema&) = delete;
    Schema& operator=(const Schema&) = delete;

  private:
    struct Parts;
    explicit Schema(std::unique_ptr<const Parts> parts);
    std::unique_ptr<const Parts> parts_;
};

}  // namespace certbinder::schema
