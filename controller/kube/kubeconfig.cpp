#include "kube/kubeconfig.h"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/digest.h"
#include "base/text.h"
#include "document/yaml.h"
#include "http/url.h"
#include "kube/exec_credential.h"
#include "kube/login.h"
#include "kube/reread_file.h"
#include "kube/wipe_strings.h"

namespace certbinder::kube {
namespace {

using base::Expected;
using base::Reason;
using document::Value;

/// One file as it was read. Wiped when it goes: it is full of credentials.
struct File {
    std::string path;
    Value root;

    File(std::string filePath, Value fileRoot) : path(std::move(filePath)), root(std::move(fileRoot)) {}
    File(File&&) = default;
    File& operator=(File&&) = default;
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() { wipeStrings(root); }

    /// A path of this file's: absolute, or relative to where the file is.
    std::string resolve(const std::string& relative) const {
        const std::size_t slash = path.rfind('/');
        const bool asItIs = relative.empty() || relative.front() == '/' || slash == std::string::npos;
        return asItIs ? relative : path.substr(0, slash + 1) + relative;
    }
};

tl::unexpected<base::Error> wrong(std::string why) {
    return base::unexpected(Reason::kInvalidSpec, std::move(why));
}

/// The fields of one entry, read with the place for messages. The first mistake is kept.
class Fields {
  public:
    Fields(const Value& value, const File& file, std::string place)
        : value_(&value), file_(&file), place_(std::move(place)) {
        if (!value.isObject() && !value.isNull()) {
            fail(value, "", "is not an object");
        }
    }

    std::string text(const char* name) {
        const Value& field = (*value_)[name];
        if (!field.isString() && !field.isNull()) {
            fail(field, name, "must be a string; put it in quotes");
        }
        return field.asString();
    }

    bool flag(const char* name) {
        const Value& field = (*value_)[name];
        if (!field.isBool() && !field.isNull()) {
            fail(field, name, "must be true or false");
        }
        return field.asBool();
    }

    std::vector<std::string> texts(const char* name) { return textsOf((*value_)[name], name); }

    std::vector<std::string> textsOf(const Value& list, const std::string& name) {
        std::vector<std::string> result;
        if (!list.isList() && !list.isNull()) {
            fail(list, name, "must be a list of strings");
        }
        for (const Value& item : list.asList()) {
            if (!item.isString()) {
                fail(item, name, "must hold strings only");
            }
            result.push_back(item.asString());
        }
        return result;
    }

    /// A path; made absolute where it is relative to the file.
    std::string path(const char* name) { return file_->resolve(text(name)); }

    base::SecretBytes base64(const char* name) {
        const std::string encoded = text(name);
        std::optional<base::SecretBytes> bytes = base::fromBase64(encoded);
        if (!bytes) {
            fail((*value_)[name], name, "is not base64");
            return {};
        }
        return std::move(*bytes);
    }

    const Value& at(const char* name) const { return (*value_)[name]; }
    const File& file() const { return *file_; }

    void fail(const Value& where, const std::string& field, const std::string& what) {
        if (error_) {
            return;
        }
        std::string place = file_->path;
        if (where.position().line > 0) {
            place += ":" + std::to_string(where.position().line) + ":" + std::to_string(where.position().column);
        }
        error_ = base::Error(Reason::kInvalidSpec, (field.empty() ? "it " : field + " ") + what).in(place_).in(place);
    }

    const std::optional<base::Error>& error() const { return error_; }

  private:
    const Value* value_;
    const File* file_;
    std::string place_;
    std::optional<base::Error> error_;
};

Expected<Value> parse(const std::string& path) {
    Expected<base::SecretBytes> bytes = readSmallFile(path);
    if (!bytes) {
        return base::unexpected(std::move(bytes.error()));
    }
    document::YamlDocuments read = document::parseYaml(bytes->reveal());
    if (!read.faults.empty()) {
        const document::Fault& fault = read.faults.front();
        return wrong(base::printable(path) + ":" + std::to_string(fault.position.line) + ":" +
                     std::to_string(fault.position.column) + ": " + (fault.path.empty() ? "" : fault.path + ": ") +
                     fault.message);
    }
    if (read.documents.empty()) {
        return Value();
    }
    if (read.documents.size() > 1 || !read.documents.front().isObject()) {
        return wrong(base::printable(path) + " is not a kubeconfig: it must hold one object of kind Config");
    }
    return std::move(read.documents.front());
}

/// All files, in order: earlier ones win.
class Merged {
  public:
    static Expected<Merged> load(const std::vector<std::string>& paths) {
        Merged merged;
        for (const std::string& path : paths) {
            if (path.empty() || ::access(path.c_str(), F_OK) != 0) {
                continue;
            }
            Expected<Value> root = parse(path);
            if (!root) {
                return base::unexpected(std::move(root.error()));
            }
            merged.files_.emplace_back(path, std::move(*root));
        }
        if (merged.files_.empty()) {
            return wrong("there is no kubeconfig at " + base::printable(base::join(paths, ", ")));
        }
        return merged;
    }

    std::string currentContext() const {
        for (const File& file : files_) {
            if (const std::string& name = file.root["current-context"].asString(); !name.empty()) {
                return name;
            }
        }
        return {};
    }

    /// The entry of that name: `section` is `clusters`, `body` the field that holds it, `cluster`.
    Expected<Fields> find(const char* section, const char* body, const std::string& name) const {
        std::vector<std::string> names;
        for (const File& file : files_) {
            for (const Value& entry : file.root[section].asList()) {
                if (entry["name"].asString() == name) {
                    return Fields(entry[body], file, std::string(body) + " " + base::printable(name, 100));
                }
                names.push_back(base::printable(entry["name"].asString(), 100));
            }
        }
        return wrong("there is no " + std::string(body) + " " + base::printable(name, 100) + " in " + shownFiles() +
                     (names.empty() ? "" : "; there are: " + base::join(names, ", ")));
    }

    std::string shownFiles() const {
        std::vector<std::string> paths;
        for (const File& file : files_) {
            paths.push_back(base::printable(file.path));
        }
        return base::join(paths, ", ");
    }

  private:
    std::vector<File> files_;
};

/// `https://host:port/prefix` without a slash at the end.
Expected<std::string> serverOf(Fields& cluster) {
    std::string server = cluster.text("server");
    while (!server.empty() && server.back() == '/') {
        server.pop_back();
    }
    const Expected<http::Url> url = http::parseUrl(server);
    if (!url || !url->query().empty()) {
        cluster.fail(cluster.at("server"), "server", "must be a URL, https://HOST:PORT");
    } else if (url->scheme == "http" && !http::isLoopback(url->host)) {
        cluster.fail(cluster.at("server"), "server", "must be https; http is for loopback addresses only");
    }
    if (cluster.error()) {
        return base::unexpected(*cluster.error());
    }
    return server;
}

/// What is known of the cluster, for the config and for a plugin that asks.
struct Cluster {
    std::string server;
    std::string tlsServerName;
    std::string authorityPem;
    std::string authorityFile;
    std::string proxyUrl;
    Value pluginConfig;
};

Expected<Cluster> readCluster(Fields& fields) {
    Cluster cluster;
    Expected<std::string> server = serverOf(fields);
    if (!server) {
        return base::unexpected(std::move(server.error()));
    }
    cluster.server = std::move(*server);
    if (fields.flag("insecure-skip-tls-verify")) {
        fields.fail(fields.at("insecure-skip-tls-verify"), "insecure-skip-tls-verify",
                    "is not supported: TLS is always verified. Name the server's CA by certificate-authority, and the "
                    "name in its certificate by tls-server-name");
    }
    cluster.tlsServerName = base::toLower(fields.text("tls-server-name"));
    cluster.authorityPem = fields.base64("certificate-authority-data").reveal();
    if (cluster.authorityPem.empty()) {
        cluster.authorityFile = fields.path("certificate-authority");
    }
    cluster.proxyUrl = fields.text("proxy-url");
    for (const Value& extension : fields.at("extensions").asList()) {
        if (extension["name"].asString() == "client.authentication.k8s.io/exec") {
            cluster.pluginConfig = extension["extension"];
        }
    }
    if (fields.error()) {
        return base::unexpected(*fields.error());
    }
    return cluster;
}

Value clusterForPlugin(const Cluster& cluster) {
    Value info;
    info.set("server", cluster.server);
    if (!cluster.tlsServerName.empty()) {
        info.set("tls-server-name", cluster.tlsServerName);
    }
    std::string pem = cluster.authorityPem;
    if (!cluster.authorityFile.empty()) {
        if (const auto file = readSmallFile(cluster.authorityFile)) {
            pem = file->reveal();
        }
    }
    if (!pem.empty()) {
        info.set("certificate-authority-data", base::toBase64(pem));
    }
    if (!cluster.proxyUrl.empty()) {
        info.set("proxy-url", cluster.proxyUrl);
    }
    if (!cluster.pluginConfig.isNull()) {
        info.set("config", cluster.pluginConfig);
    }
    return info;
}

Login readLogin(Fields& user) {
    Login login;
    std::string token = user.text("token");
    login.token = base::SecretBytes::take(token);
    login.tokenFile = user.path("tokenFile");
    login.user = user.text("username");
    std::string password = user.text("password");
    login.password = base::SecretBytes::take(password);
    login.certificatePem = user.base64("client-certificate-data").reveal();
    login.certificateFile = user.path("client-certificate");
    login.keyPem = user.base64("client-key-data");
    login.keyFile = user.path("client-key");
    return login;
}

bool isEmpty(const Login& login) {
    return login.token.empty() && login.tokenFile.empty() && login.user.empty() && login.certificatePem.empty() &&
           login.certificateFile.empty() && login.keyPem.empty() && login.keyFile.empty();
}

Expected<ExecPlugin> readPlugin(Fields& user, const Cluster& cluster) {
    Fields exec(user.at("exec"), user.file(), "exec");
    ExecPlugin plugin;
    plugin.apiVersion = exec.text("apiVersion");
    if (plugin.apiVersion != "client.authentication.k8s.io/v1" &&
        plugin.apiVersion != "client.authentication.k8s.io/v1beta1") {
        exec.fail(user.at("exec"), "apiVersion",
                  "must be client.authentication.k8s.io/v1 or client.authentication.k8s.io/v1beta1");
    }
    plugin.command = exec.text("command");
    if (plugin.command.empty()) {
        exec.fail(user.at("exec"), "command", "must name the plugin");
    } else if (plugin.command.find('/') != std::string::npos) {
        plugin.command = exec.path("command");
    }
    plugin.arguments = exec.texts("args");
    for (const Value& item : exec.at("env").asList()) {
        Fields variable(item, user.file(), "env");
        plugin.environment.emplace_back(variable.text("name"), variable.text("value"));
        const std::string& name = plugin.environment.back().first;
        if (variable.error() || name.empty() || name.find('=') != std::string::npos) {
            exec.fail(item, "env", "must hold objects with a name and a value");
        }
    }
    plugin.installHint = exec.text("installHint");
    if (exec.text("interactiveMode") == "Always") {
        exec.fail(exec.at("interactiveMode"), "interactiveMode",
                  "is Always, so the plugin wants to ask a person, and there is none here; use credentials that need "
                  "no questions, such as a token or a client certificate");
    }
    if (exec.flag("provideClusterInfo")) {
        plugin.cluster = clusterForPlugin(cluster);
    }
    if (exec.error()) {
        return base::unexpected(*exec.error());
    }
    return plugin;
}

Impersonation readImpersonation(Fields& user) {
    Impersonation as;
    as.user = user.text("as");
    as.uid = user.text("as-uid");
    as.groups = user.texts("as-groups");
    for (const document::Member& member : user.at("as-user-extra").asObject()) {
        as.extra.emplace_back(member.name, user.textsOf(member.value, "as-user-extra"));
    }
    if (as.user.empty() && (!as.uid.empty() || !as.groups.empty() || !as.extra.empty())) {
        user.fail(user.at("as-groups"), "as", "must name the user where as-uid, as-groups or as-user-extra are given");
    }
    return as;
}

Expected<std::shared_ptr<Credentials>> readCredentials(Fields& user, const Cluster& cluster, const base::Clock& clock) {
    if (!user.at("auth-provider").isNull()) {
        user.fail(user.at("auth-provider"), "auth-provider",
                  "is no longer supported by Kubernetes' clients; use the provider's exec plugin instead");
    }
    Login login = readLogin(user);
    const bool plugged = !user.at("exec").isNull();
    if (plugged && !isEmpty(login)) {
        user.fail(user.at("exec"), "exec", "stands beside other credentials; keep one of them");
    }
    const bool plain = cluster.server.rfind("http://", 0) == 0;
    if (plain && (plugged || !isEmpty(login))) {
        user.fail(user.at("exec"), "", "holds credentials, which are not sent to a server without TLS; use https");
    }
    if (user.error()) {
        return base::unexpected(*user.error());
    }
    if (!plugged) {
        return std::shared_ptr<Credentials>(makeCredentials(std::move(login), clock));
    }
    Expected<ExecPlugin> plugin = readPlugin(user, cluster);
    if (!plugin) {
        return base::unexpected(std::move(plugin.error()));
    }
    return std::shared_ptr<Credentials>(makeExecCredentials(std::move(*plugin), clock));
}

Expected<void> takeUser(ClusterConfig& config, const Merged& merged, const std::string& name, const Cluster& cluster,
                        const base::Clock& clock) {
    if (name.empty()) {
        config.credentials = makeCredentials({}, clock);
        return {};
    }
    Expected<Fields> user = merged.find("users", "user", name);
    if (!user) {
        return base::unexpected(std::move(user.error()));
    }
    config.impersonation = readImpersonation(*user);
    Expected<std::shared_ptr<Credentials>> credentials = readCredentials(*user, cluster, clock);
    if (!credentials) {
        return base::unexpected(std::move(credentials.error()));
    }
    config.credentials = std::move(*credentials);
    return {};
}

Expected<void> takeCluster(ClusterConfig& config, const Cluster& cluster, const base::Clock& clock) {
    config.server = cluster.server;
    config.tlsServerName = cluster.tlsServerName;
    if (!cluster.authorityPem.empty()) {
        config.trust = fixedTrust(cluster.authorityPem);
    } else if (!cluster.authorityFile.empty()) {
        config.trust = fileTrust(cluster.authorityFile, clock);
        if (auto read = config.trust->current(); !read) {
            return base::unexpected(std::move(read.error()).in("certificate-authority"));
        }
    }
    if (!cluster.proxyUrl.empty()) {
        Expected<std::shared_ptr<const http::Proxy>> proxy = http::parseProxy(cluster.proxyUrl);
        if (!proxy) {
            return base::unexpected(std::move(proxy.error()).in("proxy-url"));
        }
        config.proxy.forHttps = config.proxy.forHttp = std::move(*proxy);
        config.proxy.always = true;
    }
    return {};
}

}  // namespace

Expected<ClusterConfig> loadKubeconfig(const std::vector<std::string>& files, const std::string& context,
                                       const base::Clock& clock) {
    Expected<Merged> merged = Merged::load(files);
    if (!merged) {
        return base::unexpected(std::move(merged.error()));
    }
    const std::string name = context.empty() ? merged->currentContext() : context;
    if (name.empty()) {
        return wrong(merged->shownFiles() + " names no current-context; choose one by --context");
    }
    ClusterConfig config;
    config.origin = "context " + base::printable(name, 100) + " of " + merged->shownFiles();
    Expected<Fields> chosen = merged->find("contexts", "context", name);
    if (!chosen) {
        return base::unexpected(std::move(chosen.error()));
    }
    const std::string clusterName = chosen->text("cluster");
    const std::string userName = chosen->text("user");
    const std::string space = chosen->text("namespace");
    if (chosen->error()) {
        return base::unexpected(*chosen->error());
    }
    config.space = space.empty() ? "default" : space;
    Expected<Fields> fields = merged->find("clusters", "cluster", clusterName);
    Expected<Cluster> cluster = fields ? readCluster(*fields) : base::unexpected(fields.error());
    Expected<void> done = cluster ? takeCluster(config, *cluster, clock) : base::unexpected(cluster.error());
    if (done) {
        done = takeUser(config, *merged, userName, *cluster, clock);
    }
    if (!done) {
        return base::unexpected(std::move(done.error()).in(config.origin));
    }
    return config;
}

}  // namespace certbinder::kube
