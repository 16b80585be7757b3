# shellcheck shell=sh
# For the test of the tests: a guest that never comes to an end.

stage_1() { sleep 1000; }
