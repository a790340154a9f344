add_executable(shared_chaos ${CMAKE_CURRENT_LIST_DIR}/shared_chaos.cpp)
target_link_libraries(shared_chaos PRIVATE tine_shared tine_warnings)
add_test(NAME chaos_shared COMMAND shared_chaos 3 1)
set_tests_properties(chaos_shared PROPERTIES TIMEOUT 60 LABELS chaos)
