/* What the benchmarks share: a clock, and what is told of many values. */
#ifndef KEXECFS_BENCHMARK_MEASURE_H
#define KEXECFS_BENCHMARK_MEASURE_H

#include <stdlib.h>
#include <time.h>

/* Microseconds since some moment. */
static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value below which so much lies, 0 to 1. What is given is left in order. */
static double quantile(double values[], int count, double part)
{
	qsort(values, count, sizeof(*values), by_value);
	return values[(int)((count - 1) * part)];
}

__attribute__((unused)) static double median(double values[], int count)
{
	return quantile(values, count, 0.5);
}

#endif
