# The commit is asked for at configure time and handed in by the image build, where there is no .git.
set(CERTBINDER_COMMIT "" CACHE STRING "Commit to stamp into the binary; asked of git when empty")
if(CERTBINDER_COMMIT STREQUAL "")
  find_package(Git QUIET)
  if(GIT_FOUND)
    execute_process(COMMAND ${GIT_EXECUTABLE} rev-parse --short=12 HEAD WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
                    OUTPUT_VARIABLE certbinder_commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
else()
  set(certbinder_commit ${CERTBINDER_COMMIT})
endif()
if(NOT certbinder_commit)
  set(certbinder_commit "unknown")
endif()
