#include "cli/app.h"
#include "cli/output.h"

namespace certbinder::cli {

int version(const Options& options, const App& app) {
    document::Value value;
    Table table({"COMPONENT", "VERSION"});
    for (const auto& [component, number] : app.versions) {
        value.set(component, number);
        table.add({component, number});
    }
    const bool structured = options.output == Output::kJson || options.output == Output::kYaml;
    print(structured ? showValue(value, options.output) : table.toString());
    return 0;
}

}  // namespace certbinder::cli
