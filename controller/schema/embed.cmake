# cmake -DINPUT=FILE -DOUTPUT=FILE.cpp -P embed.cmake: the bytes of INPUT as the array that schema.cpp declares.
file(READ ${INPUT} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR size "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
# Lines of 16 bytes, so that no tool meets one of half a megabyte.
string(REPEAT "'.x[0-9a-f][0-9a-f]'," 16 sixteen)
string(REGEX REPLACE "(${sixteen})" "\\1\n    " bytes "${bytes}")
file(WRITE ${OUTPUT}
  "#include <cstddef>\n\nnamespace certbinder::schema {\n\n"
  "extern const char kEmbeddedCrd[];\nextern const std::size_t kEmbeddedCrdSize;\n"
  "const char kEmbeddedCrd[] = {\n    ${bytes}};\nconst std::size_t kEmbeddedCrdSize = ${size};\n\n"
  "}  // namespace certbinder::schema\n")
