#include <CLI/CLI.hpp>

#include <map>

#include "cli/app.h"
#include "files/state_directory.h"

namespace certbinder::cli {
namespace {

constexpr const char* kDescription =
    "certbinder makes clients really be served the certificates that CertificateBindings declare, keeps it so, and "
    "proves it by handshake.";

constexpr const char* kExitCodes =
    "Exit codes: apply and status 0 when all bindings are Ready, else 1; plan 0 in sync, 2 with changes to make, 1 on "
    "an error; validate 0 or 1; run 0 on SIGTERM.";

const std::map<std::string, Output> kOutputs{
    {"table", Output::kTable}, {"json", Output::kJson}, {"yaml", Output::kYaml}, {"name", Output::kName}};
const std::map<std::string, base::LogFormat> kLogFormats{{"text", base::LogFormat::kText},
                                                         {"json", base::LogFormat::kJson}};
const std::map<std::string, base::LogLevel> kLogLevels{{"debug", base::LogLevel::kDebug},
                                                       {"info", base::LogLevel::kInfo},
                                                       {"warning", base::LogLevel::kWarning},
                                                       {"error", base::LogLevel::kError}};

void addFiles(CLI::App& command, Options& options) {
    command
        .add_option(
            "-f,--filename", options.files,
            "File or directory of CertificateBindings, Secrets and ConfigMaps; repeatable, - for standard input")
        ->type_name("PATH")
        ->required()
        ->take_all();
}

void addState(CLI::App& command, Options& options) {
    command.add_option("--state-dir", options.stateDirectory, "Where statuses are kept between runs")
        ->type_name("DIR")
        ->capture_default_str();
}

void addOutput(CLI::App& command, Options& options) {
    command.add_option("-o,--output", options.output, "table, json, yaml or name")
        ->type_name("FORMAT")
        ->transform(CLI::CheckedTransformer(kOutputs).description(""));
}

void addWorkers(CLI::App& command, Options& options) {
    command.add_option("--workers", options.workers, "Bindings worked on at the same time")
        ->type_name("N")
        ->check(CLI::Range(1, 256).description(""))
        ->capture_default_str();
}

void addAmbient(CLI::App& command, Options& options) {
    command.add_flag("--ambient-credentials", options.ambient,
                     "Let the clouds' environment variables count, such as HUAWEICLOUD_SDK_IAM_ENDPOINT");
}

void addLog(CLI::App& command, Options& options) {
    command.add_option("--log-format", options.logFormat, "text or json")
        ->type_name("FORMAT")
        ->transform(CLI::CheckedTransformer(kLogFormats).description(""));
    command.add_option("--log-level", options.logLevel, "debug, info, warning or error")
        ->type_name("LEVEL")
        ->transform(CLI::CheckedTransformer(kLogLevels).description(""));
}

}  // namespace

int runCommandLine(int argc, const char* const* argv, const App& app) {
    CLI::App parser(kDescription, "certbinder");
    parser.require_subcommand(1);
    parser.footer(kExitCodes);
    Options options;
    options.stateDirectory = files::defaultStateDirectory();

    CLI::App* run = parser.add_subcommand("run", "Converge and go on: watches the files and the deployed state");
    CLI::App* once = parser.add_subcommand("apply", "One pass over everything");
    CLI::App* preview = parser.add_subcommand("plan", "What apply would do, per endpoint; touches nothing");
    CLI::App* show = parser.add_subcommand("status", "What is known of each binding and its endpoints");
    CLI::App* check = parser.add_subcommand("validate", "Check files against the schema and its rules, offline");
    CLI::App* about = parser.add_subcommand("version", "Version, commit and library versions");
    for (CLI::App* command : {run, once, preview, show, check}) {
        addFiles(*command, options);
        addLog(*command, options);
    }
    for (CLI::App* command : {run, once, preview, show}) {
        addState(*command, options);
    }
    for (CLI::App* command : {run, once, preview}) {
        addWorkers(*command, options);
        addAmbient(*command, options);
    }
    for (CLI::App* command : {once, preview, show, check, about}) {
        addOutput(*command, options);
    }

    try {
        parser.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        // 0 for --help; a mistake in the arguments is 1 for every command, since 2 means "changes" to plan.
        return parser.exit(error) == 0 ? 0 : 1;
    }
    base::configureLog(options.logFormat, options.logLevel);
    if (run->parsed()) {
        return runController(options, app);
    }
    if (once->parsed()) {
        return apply(options, app);
    }
    if (preview->parsed()) {
        return plan(options, app);
    }
    if (show->parsed()) {
        return status(options, app);
    }
    if (check->parsed()) {
        return validate(options);
    }
    return version(options, app);
}

}  // namespace certbinder::cli
