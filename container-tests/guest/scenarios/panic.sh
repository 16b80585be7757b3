# shellcheck shell=sh
# For the test of the tests: a kernel that panics.

stage_1() { echo c >/proc/sysrq-trigger; }
