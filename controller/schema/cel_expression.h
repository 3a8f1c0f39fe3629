#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/expected.h"
#include "document/value.h"
#include "schema/pattern.h"

namespace certbinder::schema::cel {

enum class Operation {
    kLiteral,
    kVariable,
    kList,
    kSelect,  ///< operands[0].name
    kHas,     ///< has(operands[0].name)
    kIndex,
    kNot,
    kNegate,
    kAnd,
    kOr,
    kConditional,
    kEqual,
    kNotEqual,
    kLess,
    kLessOrEqual,
    kGreater,
    kGreaterOrEqual,
    kIn,
    kAdd,
    kSubtract,
    kMultiply,
    kDivide,
    kRemainder,
    kCall,   ///< name(operands…); of a method, operands[0] is the receiver
    kMacro,  ///< name is all, exists, exists_one, filter or map; operands: the range, then what is computed for each
             ///< item
};

/// A node of a parsed rule.
struct Expression {
    Operation operation = Operation::kLiteral;
    document::Value literal;
    std::string name;                ///< of a variable, field, function or macro
    std::string variable;            ///< of a macro
    std::optional<Pattern> pattern;  ///< of matches()
    std::vector<Expression> operands;
};

/// Parses a whole rule; names are checked: unknown variables, functions and numbers of arguments are errors.
base::Expected<Expression> parseExpression(std::string_view text);

}  // namespace certbinder::schema::cel
