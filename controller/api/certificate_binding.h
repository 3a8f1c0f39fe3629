#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "api/object_key.h"
#include "base/clock.h"
#include "base/reason.h"
#include "document/value.h"

/// The resource of `crds/certificatebindings.certbinder.io.yaml` as types. Defaults are the schema's; what is read here
/// has been through it.
namespace certbinder::api {

inline constexpr const char* kGroupVersion = "certbinder.io/v1alpha1";
inline constexpr const char* kKind = "CertificateBinding";
inline constexpr const char* kReconcileAnnotation = "certbinder.io/reconcile-at";

struct HuaweiScmSource {
    std::string region;
    std::string domain;  ///< xor certificateID
    std::string certificateID;
    std::string enterpriseProjectID;
    std::string projectID;
    std::string credentialsRef;  ///< name of a Secret; "" asks for ambient credentials
    std::string endpoint;        ///< override; "" for the region's own
};

struct SecretSource {
    std::string name;
};

using Source = std::variant<HuaweiScmSource, SecretSource>;

/// Where and how the served certificate is looked at.
struct ProbeSpec {
    bool enabled = true;
    std::string address;  ///< "" for the target's own
    std::uint16_t port = 443;
    std::string serverName;  ///< "" for the certificate's first name
    std::chrono::milliseconds timeout{10'000};
};

struct NginxHost {
    std::string address;
    std::uint16_t port = 22;
    std::optional<ProbeSpec> probe;  ///< this host's own, with what it leaves out taken from the probe of all hosts
};

struct JumpHost {
    std::string address;
    std::uint16_t port = 22;
    std::string user;  ///< that of the hosts, where the spec names none
    std::string credentialsRef;
};

struct SshSpec {
    std::string user = "root";
    std::string credentialsRef;
    std::optional<JumpHost> jumpHost;
};

/// A count of hosts, or a percentage of all.
struct CountOrPercent {
    int value = 0;
    bool percent = false;
};

struct RolloutSpec {
    int canary = 1;
    CountOrPercent maxConcurrent{25, true};
};

struct NginxTarget {
    std::vector<NginxHost> hosts;
    SshSpec ssh;
    bool sudo = false;
    std::string certificatePath;
    std::string privateKeyPath;
    std::vector<std::string> testCommand{"nginx", "-t"};
    std::vector<std::string> reloadCommand{"nginx", "-s", "reload"};
    ProbeSpec probe;
    RolloutSpec rollout;
};

struct SlbListenerTarget {
    std::string region;
    std::string loadBalancerID;                   ///< xor loadBalancer
    std::optional<document::Value> loadBalancer;  ///< of a managed one, as declared
    std::uint16_t port = 443;
    std::string serverName;                   ///< "" the default certificate, else an SNI domain extension
    std::optional<document::Value> listener;  ///< how to create a missing one, as declared
    std::optional<ProbeSpec> probe;
    std::string credentialsRef;
    std::string roleARN;
    std::string endpoint;
};

using Target = std::variant<NginxTarget, SlbListenerTarget>;

enum class DeletionPolicy { kRetain, kDelete };

struct Spec {
    Source source;
    Target target;
    std::chrono::milliseconds checkInterval{600'000};
    std::string trustBundleRef;  ///< name of a ConfigMap with `ca.crt`; "" for no demand
    bool allowDowngrade = false;
    DeletionPolicy deletionPolicy = DeletionPolicy::kRetain;
    bool suspend = false;
};

enum class ConditionStatus { kTrue, kFalse, kUnknown };

/// The condition types, as users see them.
namespace condition {
inline constexpr const char* kReady = "Ready";
inline constexpr const char* kSourceReady = "SourceReady";
inline constexpr const char* kDeployed = "Deployed";
inline constexpr const char* kServed = "Served";
inline constexpr const char* kReconciling = "Reconciling";
inline constexpr const char* kStalled = "Stalled";
}  // namespace condition

struct Condition {
    std::string type;
    ConditionStatus status = ConditionStatus::kUnknown;
    base::Reason reason = base::Reason::kProgressing;
    std::string message;
    base::WallTime lastTransitionTime;
    std::int64_t observedGeneration = 0;

    bool operator==(const Condition&) const = default;
};

enum class EndpointState { kPending, kDeploying, kInSync, kDrifted, kFailed, kRolledBack };

struct EndpointStatus {
    std::string name;
    EndpointState state = EndpointState::kPending;
    std::optional<base::Reason> reason;     ///< of a failure
    std::string deployedFingerprintSHA256;  ///< "" when it is not known
    std::string servedFingerprintSHA256;    ///< "" when it is not known
    std::optional<base::WallTime> servedNotAfter;
    std::optional<base::WallTime> lastDeployTime;
    base::WallTime lastTransitionTime;
    std::string message;

    bool operator==(const EndpointStatus&) const = default;
};

struct CertificateStatus {
    std::string id;  ///< the source's own name for it (`scs…`), or the Secret's name
    std::string fingerprintSHA256;
    std::string serialNumber;
    std::string issuer;
    std::vector<std::string> dnsNames;
    base::WallTime notBefore;
    base::WallTime notAfter;

    bool operator==(const CertificateStatus&) const = default;
};

struct Status {
    std::int64_t observedGeneration = 0;
    std::vector<Condition> conditions;
    std::string target;  ///< what the binding is deployed to, in a few words
    std::string inSync;  ///< `2/3`
    std::optional<CertificateStatus> certificate;
    std::string loadBalancerID;
    std::string serverCertificateID;
    std::vector<EndpointStatus> endpoints;
    std::string lastHandledReconcileAt;

    const Condition* find(std::string_view type) const;
    const EndpointStatus* endpoint(std::string_view name) const;

    bool operator==(const Status&) const = default;
};

struct Metadata {
    ObjectKey key;
    std::string uid;
    std::string resourceVersion;
    std::int64_t generation = 1;
    std::optional<base::WallTime> creationTimestamp;
    std::optional<base::WallTime> deletionTimestamp;
    std::map<std::string, std::string> labels;
    std::map<std::string, std::string> annotations;
    std::vector<std::string> finalizers;
};

struct CertificateBinding {
    Metadata metadata;
    Spec spec;
    Status status;

    bool isReady() const;
};

std::string_view toString(ConditionStatus status);
std::string_view toString(EndpointState state);

/// The names of all Secrets that the spec refers to, without doubles.
std::vector<std::string> referencedSecrets(const Spec& spec);

/// The Secret that the source is, or logs in with; "" for ambient credentials.
const std::string& sourceSecret(const Spec& spec);

/// The Secrets that the target logs in with, without doubles; none for ambient credentials.
std::vector<std::string> targetSecrets(const Spec& spec);

/// What the binding is deployed to, in a few words for a table: `nginx 10.0.0.4`, `nginx 12 hosts`, `lb-…:443`.
std::string describeTarget(const Spec& spec);

}  // namespace certbinder::api
