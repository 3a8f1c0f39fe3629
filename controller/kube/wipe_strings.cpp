#include "kube/wipe_strings.h"

#include <string>

#include "base/secret_bytes.h"

namespace certbinder::kube {

void wipeStrings(document::Value& value) {
    if (value.isObject()) {
        for (document::Member& member : value.object()) {
            wipeStrings(member.value);
        }
    } else if (value.isList()) {
        for (document::Value& item : value.list()) {
            wipeStrings(item);
        }
    } else if (value.isString()) {
        std::string text = value.takeString();
        base::wipe(text);
    }
}

}  // namespace certbinder::kube
