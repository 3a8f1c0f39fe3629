# Flags of our own targets; third parties' headers are system headers and warn nobody.
add_library(certbinder_flags INTERFACE)
target_compile_options(certbinder_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Wold-style-cast -Woverloaded-virtual
  $<$<BOOL:${CERTBINDER_WERROR}>:-Werror>
  -fstack-protector-strong
  -D_GLIBCXX_ASSERTIONS  # an index or an empty optional that should not be ends the process, not the host's files
  $<$<CONFIG:Release>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-clash-protection -fcf-protection>)
target_link_options(certbinder_flags INTERFACE $<$<CONFIG:Release>:-Wl,-z,relro,-z,now>)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported()

if(CERTBINDER_SANITIZE)
  # For everything in the build, so that no object file is left unchecked.
  add_compile_options(-fsanitize=${CERTBINDER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${CERTBINDER_SANITIZE})
endif()

find_program(CERTBINDER_CCACHE ccache)
if(CERTBINDER_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CERTBINDER_CCACHE})
endif()
find_program(CERTBINDER_MOLD mold)
if(CERTBINDER_MOLD AND NOT CMAKE_INTERPROCEDURAL_OPTIMIZATION)
  # Not with LTO: mold hands GCC's bytecode to a plug-in that Debian 12's version does not load.
  add_link_options(-fuse-ld=mold)
endif()
