# certbinder_library(NAME SOURCES … DEPENDS … [PRIVATE_DEPENDS …])
# One library per folder of controller/: target certbinder_NAME, alias certbinder::NAME. What a header includes is in
# DEPENDS, what only the sources need in PRIVATE_DEPENDS, so that a dependency nobody declared does not link.
function(certbinder_library name)
  cmake_parse_arguments(PARSE_ARGV 1 LIB "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS")
  add_library(certbinder_${name} STATIC ${LIB_SOURCES})
  add_library(certbinder::${name} ALIAS certbinder_${name})
  target_include_directories(certbinder_${name} PUBLIC ${PROJECT_SOURCE_DIR}/controller)
  target_link_libraries(certbinder_${name} PUBLIC ${LIB_DEPENDS} PRIVATE certbinder_flags ${LIB_PRIVATE_DEPENDS})
endfunction()
