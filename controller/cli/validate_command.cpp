#include <cstdio>

#include "cli/app.h"
#include "cli/output.h"
#include "files/manifests.h"

namespace certbinder::cli {

int validate(const Options& options) {
    files::ManifestReader reader(options.files);
    const files::Manifests manifests = reader.read();
    if (options.output == Output::kTable || options.output == Output::kName) {
        for (const files::FileFault& fault : manifests.faults) {
            print(fault.toString() + "\n");
        }
    } else {
        document::List items;
        for (const files::FileFault& fault : manifests.faults) {
            document::Value item;
            item.set("file", fault.file);
            item.set("line", fault.fault.position.line);
            item.set("column", fault.fault.position.column);
            item.set("path", fault.fault.path);
            item.set("message", fault.fault.message);
            items.push_back(std::move(item));
        }
        document::Value faults;
        faults.set("items", std::move(items));
        print(showValue(faults, options.output));
    }
    std::fprintf(stderr, "certbinder: %zu CertificateBindings, %zu Secrets and %zu ConfigMaps are valid; %zu faults\n",
                 manifests.bindings.size(), manifests.secrets.size(), manifests.configMaps.size(),
                 manifests.faults.size());
    return manifests.sound() ? 0 : 1;
}

}  // namespace certbinder::cli
