# find_package(Overworld): the targets Overworld::overworld (shared) and Overworld::overworld_static.
get_filename_component(_overworld_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

if(NOT TARGET Overworld::overworld)
  add_library(Overworld::overworld SHARED IMPORTED)
  set_target_properties(Overworld::overworld PROPERTIES
    IMPORTED_LOCATION "${_overworld_prefix}/lib/liboverworld.so.0"
    IMPORTED_SONAME "liboverworld.so.0"
    INTERFACE_INCLUDE_DIRECTORIES "${_overworld_prefix}/include")

  add_library(Overworld::overworld_static STATIC IMPORTED)
  set_target_properties(Overworld::overworld_static PROPERTIES
    IMPORTED_LOCATION "${_overworld_prefix}/lib/liboverworld.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_overworld_prefix}/include"
    INTERFACE_LINK_LIBRARIES "curl")
endif()

unset(_overworld_prefix)
