#include <algorithm>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "schema/cel_expression.h"

namespace certbinder::schema::cel {
namespace {

using base::Expected;
using base::Reason;
using base::unexpected;

/// Nesting of a rule, which is also the depth of recursion when it is parsed and evaluated.
constexpr int kMostLevels = 64;
constexpr std::size_t kMostRuleBytes = std::size_t{16} * 1024;

enum class TokenKind { kEnd, kIdentifier, kInteger, kDouble, kString, kSymbol };

struct Token {
    TokenKind kind = TokenKind::kEnd;
    std::string text;  ///< decoded, of a string
    std::size_t at = 0;
};

bool isLetter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

tl::unexpected<base::Error> mistake(std::size_t at, const std::string& what) {
    return unexpected(Reason::kInternalError, "at character " + std::to_string(at + 1) + ": " + what);
}

class Lexer {
  public:
    explicit Lexer(std::string_view text) : text_(text) {}

    Expected<std::vector<Token>> tokens() {
        std::vector<Token> tokens;
        for (;;) {
            while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
                ++at_;
            }
            auto token = next();
            if (!token) {
                return unexpected(token.error());
            }
            tokens.push_back(std::move(*token));
            if (tokens.back().kind == TokenKind::kEnd) {
                return tokens;
            }
        }
    }

  private:
    char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

    Expected<Token> next() {
        const std::size_t start = at_;
        if (at_ >= text_.size()) {
            return Token{TokenKind::kEnd, "", start};
        }
        const bool raw = (peek() == 'r' || peek() == 'R') && (peek(1) == '\'' || peek(1) == '"');
        if (raw || peek() == '\'' || peek() == '"') {
            at_ += raw ? 1 : 0;
            return string(raw);
        }
        if (isLetter(peek())) {
            while (isLetter(peek()) || isDigit(peek())) {
                ++at_;
            }
            return Token{TokenKind::kIdentifier, std::string(text_.substr(start, at_ - start)), start};
        }
        if (isDigit(peek())) {
            return number();
        }
        for (const std::string_view symbol : {"==", "!=", "<=", ">=", "&&", "||"}) {
            if (text_.substr(at_, 2) == symbol) {
                at_ += 2;
                return Token{TokenKind::kSymbol, std::string(symbol), start};
            }
        }
        if (std::string_view("()[].,?:<>!+-*/%").find(peek()) == std::string_view::npos) {
            return mistake(start, "this character has no meaning here");
        }
        ++at_;
        return Token{TokenKind::kSymbol, std::string(1, text_[start]), start};
    }

    Expected<Token> number() {
        const std::size_t start = at_;
        TokenKind kind = TokenKind::kInteger;
        while (isDigit(peek())) {
            ++at_;
        }
        if (peek() == '.' && isDigit(peek(1))) {
            kind = TokenKind::kDouble;
            for (++at_; isDigit(peek()); ++at_) {
            }
        }
        if (isLetter(peek())) {
            return mistake(at_, "numbers are plain decimal ones here");
        }
        return Token{kind, std::string(text_.substr(start, at_ - start)), start};
    }

    Expected<Token> string(bool raw) {
        const std::size_t start = at_;
        const char quote = text_[at_++];
        std::string decoded;
        while (at_ < text_.size() && text_[at_] != quote && text_[at_] != '\n') {
            if (text_[at_] != '\\' || raw) {
                decoded += text_[at_++];
                continue;
            }
            static constexpr std::string_view kEscapes = "\\'\"`?nrt";
            static constexpr std::string_view kMeanings = "\\'\"`?\n\r\t";
            const std::size_t escape = kEscapes.find(peek(1));
            if (escape == std::string_view::npos || at_ + 1 >= text_.size()) {
                return mistake(at_, "this escape is not known");
            }
            decoded += kMeanings[escape];
            at_ += 2;
        }
        if (peek() != quote) {
            return mistake(start, "this string is not closed");
        }
        ++at_;
        return Token{TokenKind::kString, std::move(decoded), start};
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

struct Function {
    std::string_view name;
    bool isMethod;
    std::size_t arguments;  ///< without the receiver
};

constexpr Function kFunctions[] = {
    {"size", false, 1},     {"int", false, 1},    {"double", false, 1},    {"string", false, 1},
    {"duration", false, 1}, {"size", true, 0},    {"startsWith", true, 1}, {"endsWith", true, 1},
    {"contains", true, 1},  {"matches", true, 1}, {"lowerAscii", true, 0}, {"upperAscii", true, 0},
    {"trim", true, 0},      {"split", true, 1},
};

bool isMacro(std::string_view name) {
    return name == "all" || name == "exists" || name == "exists_one" || name == "filter" || name == "map";
}

/// Recursive descent over CEL's grammar, one function a level of precedence.
class Parser {
  public:
    explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

    Expected<Expression> parse() {
        auto whole = conditional();
        if (whole && token().kind != TokenKind::kEnd) {
            return mistake(token().at, "the rule should have ended here");
        }
        return whole;
    }

  private:
    class Level {
      public:
        explicit Level(int& levels) : levels_(levels) { ++levels_; }
        ~Level() { --levels_; }
        Level(const Level&) = delete;
        Level& operator=(const Level&) = delete;

      private:
        int& levels_;
    };

    struct Operator {
        std::string_view symbol;
        Operation operation;
    };

    const Token& token() const { return tokens_[at_]; }

    bool isNext(std::string_view symbol) const {
        return (token().kind == TokenKind::kSymbol || token().kind == TokenKind::kIdentifier) && token().text == symbol;
    }

    bool take(std::string_view symbol) {
        if (!isNext(symbol)) {
            return false;
        }
        ++at_;
        return true;
    }

    static Expression make(Operation operation, std::vector<Expression> operands, std::string name = "") {
        Expression made;
        made.operation = operation;
        made.operands = std::move(operands);
        made.name = std::move(name);
        return made;
    }

    Expected<Expression> conditional() {
        const Level level(levels_);
        if (levels_ > kMostLevels) {
            return mistake(token().at, "the rule is nested too deep");
        }
        auto condition = logical(0);
        if (!condition || !take("?")) {
            return condition;
        }
        auto yes = logical(0);
        if (!yes) {
            return yes;
        }
        if (!take(":")) {
            return mistake(token().at, "`:` is missing");
        }
        auto no = conditional();
        if (!no) {
            return no;
        }
        return make(Operation::kConditional, {std::move(*condition), std::move(*yes), std::move(*no)});
    }

    /// Binary operators, weakest first; each level binds its operands from the left.
    Expected<Expression> logical(std::size_t strength) {
        static const std::vector<std::vector<Operator>> kLevels = {
            {{"||", Operation::kOr}},
            {{"&&", Operation::kAnd}},
            {{"==", Operation::kEqual},
             {"!=", Operation::kNotEqual},
             {"<=", Operation::kLessOrEqual},
             {">=", Operation::kGreaterOrEqual},
             {"<", Operation::kLess},
             {">", Operation::kGreater},
             {"in", Operation::kIn}},
            {{"+", Operation::kAdd}, {"-", Operation::kSubtract}},
            {{"*", Operation::kMultiply}, {"/", Operation::kDivide}, {"%", Operation::kRemainder}},
        };
        if (strength == kLevels.size()) {
            return unary();
        }
        auto left = logical(strength + 1);
        for (int links = 0; left; ++links) {
            const auto& operators = kLevels[strength];
            const auto found = std::find_if(operators.begin(), operators.end(),
                                            [&](const Operator& candidate) { return isNext(candidate.symbol); });
            if (found == operators.end()) {
                return left;
            }
            if (links >= kMostLevels) {  // a chain is as deep as it is long
                return mistake(token().at, "the chain of operators is too long");
            }
            ++at_;
            auto right = logical(strength + 1);
            if (!right) {
                return right;
            }
            left = make(found->operation, {std::move(*left), std::move(*right)});
        }
        return left;
    }

    Expected<Expression> unary() {
        const Level level(levels_);
        if (levels_ > kMostLevels) {
            return mistake(token().at, "the rule is nested too deep");
        }
        const bool negates = isNext("-");
        if (!isNext("!") && !negates) {
            return member();
        }
        ++at_;
        auto operand = unary();
        if (!operand) {
            return operand;
        }
        return make(negates ? Operation::kNegate : Operation::kNot, {std::move(*operand)});
    }

    Expected<Expression> member() {
        auto value = primary();
        for (int links = 0; value; ++links) {
            if (links >= kMostLevels) {
                return mistake(token().at, "the chain of fields is too long");
            }
            if (take("[")) {
                auto index = conditional();
                if (!index) {
                    return index;
                }
                if (!take("]")) {
                    return mistake(token().at, "`]` is missing");
                }
                value = make(Operation::kIndex, {std::move(*value), std::move(*index)});
            } else if (take(".")) {
                value = selected(std::move(*value));
            } else {
                return value;
            }
        }
        return value;
    }

    Expected<Expression> selected(Expression receiver) {
        if (token().kind != TokenKind::kIdentifier) {
            return mistake(token().at, "a field's name is missing");
        }
        const Token name = tokens_[at_++];
        if (!take("(")) {
            return make(Operation::kSelect, {std::move(receiver)}, name.text);
        }
        if (isMacro(name.text)) {
            return macro(std::move(receiver), name);
        }
        std::vector<Expression> operands;
        operands.push_back(std::move(receiver));
        return call(name, std::move(operands), true);
    }

    Expected<Expression> macro(Expression range, const Token& name) {
        if (token().kind != TokenKind::kIdentifier) {
            return mistake(token().at, "a variable's name is missing");
        }
        const std::string variable = tokens_[at_++].text;
        Expression made = make(Operation::kMacro, {}, name.text);
        made.variable = variable;
        made.operands.push_back(std::move(range));
        variables_.push_back(variable);
        const std::size_t most = name.text == "map" ? 2 : 1;
        while (take(",") && made.operands.size() <= most) {
            auto step = conditional();
            if (!step) {
                return step;
            }
            made.operands.push_back(std::move(*step));
        }
        variables_.pop_back();
        if (made.operands.size() < 2 || !take(")")) {
            return mistake(token().at, name.text + "() has a wrong number of arguments");
        }
        return made;
    }

    Expected<Expression> call(const Token& name, std::vector<Expression> operands, bool isMethod) {
        const std::size_t receivers = operands.size();
        while (!isNext(")")) {
            if (operands.size() > receivers && !take(",")) {
                return mistake(token().at, "`,` or `)` is missing");
            }
            auto argument = conditional();
            if (!argument) {
                return argument;
            }
            operands.push_back(std::move(*argument));
        }
        ++at_;
        const bool known = std::any_of(std::begin(kFunctions), std::end(kFunctions), [&](const Function& function) {
            return function.name == name.text && function.isMethod == isMethod &&
                   function.arguments == operands.size() - receivers;
        });
        if (!known) {
            return mistake(name.at, "there is no function " + name.text + "() with these arguments");
        }
        Expression made = make(Operation::kCall, std::move(operands), name.text);
        if (name.text == "matches") {
            const Expression& argument = made.operands[1];
            if (argument.operation != Operation::kLiteral || !argument.literal.isString()) {
                return mistake(name.at, "matches() takes a literal here");
            }
            auto pattern = Pattern::compile(argument.literal.asString());
            if (!pattern) {
                return unexpected(std::move(pattern.error()).in("at character " + std::to_string(name.at + 1)));
            }
            made.pattern = std::move(*pattern);
        }
        return made;
    }

    Expected<Expression> has(std::size_t at) {
        auto field = conditional();
        if (!field) {
            return field;
        }
        if (field->operation != Operation::kSelect || !take(")")) {
            return mistake(at, "has() takes one field");
        }
        field->operation = Operation::kHas;
        return field;
    }

    Expected<Expression> primary() {
        const Token first = token();
        if (first.kind == TokenKind::kEnd) {
            return mistake(first.at, "the rule ends too early");
        }
        ++at_;
        switch (first.kind) {
            case TokenKind::kString:
                return literal(document::Value(first.text));
            case TokenKind::kInteger:
            case TokenKind::kDouble:
                return number(first);
            case TokenKind::kIdentifier:
                return named(first);
            default:
                break;
        }
        if (first.text == "(") {
            auto inner = conditional();
            if (inner && !take(")")) {
                return mistake(token().at, "`)` is missing");
            }
            return inner;
        }
        if (first.text == "[") {
            return list();
        }
        return mistake(first.at, "`" + first.text + "` has no meaning here");
    }

    static Expression literal(document::Value value) {
        Expression made;
        made.literal = std::move(value);
        return made;
    }

    static Expected<Expression> number(const Token& token) {
        if (token.kind == TokenKind::kInteger) {
            const auto integer = base::parseInteger(token.text);
            if (!integer) {
                return mistake(token.at, "this number does not fit 64 bits");
            }
            return literal(document::Value(*integer));
        }
        double value = 0;
        std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
        return literal(document::Value(value));
    }

    Expected<Expression> list() {
        Expression made = make(Operation::kList, {});
        while (!isNext("]")) {
            if (!made.operands.empty() && !take(",")) {
                return mistake(token().at, "`,` or `]` is missing");
            }
            if (!made.operands.empty() && isNext("]")) {
                break;  // CEL takes a comma behind the last item
            }
            auto item = conditional();
            if (!item) {
                return item;
            }
            made.operands.push_back(std::move(*item));
        }
        ++at_;
        return made;
    }

    Expected<Expression> named(const Token& name) {
        if (name.text == "true" || name.text == "false") {
            return literal(document::Value(name.text == "true"));
        }
        if (name.text == "null") {
            return literal(document::Value());
        }
        if (take("(")) {
            return name.text == "has" ? has(name.at) : call(name, {}, false);
        }
        const bool known = name.text == "self" || name.text == "oldSelf" ||
                           std::find(variables_.begin(), variables_.end(), name.text) != variables_.end();
        if (!known) {
            return mistake(name.at, "there is no variable " + name.text);
        }
        return make(Operation::kVariable, {}, name.text);
    }

    std::vector<Token> tokens_;
    std::size_t at_ = 0;
    int levels_ = 0;
    std::vector<std::string> variables_;
};

}  // namespace

Expected<Expression> parseExpression(std::string_view text) {
    if (text.size() > kMostRuleBytes) {
        return unexpected(Reason::kInternalError, "the rule is too long");
    }
    auto tokens = Lexer(text).tokens();
    if (!tokens) {
        return unexpected(tokens.error());
    }
    return Parser(std::move(*tokens)).parse();
}

}  // namespace certbinder::schema::cel
