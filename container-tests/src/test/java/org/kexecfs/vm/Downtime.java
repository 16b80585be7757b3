package org.kexecfs.vm;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.stream.Collectors;

/** For how long a machine stood still, step by step. */
final class Downtime {
    private final SequencedMap<String, Duration> steps = new LinkedHashMap<>();

    /** Takes the time of a step. */
    void step(String name, Runnable work) {
        long begin = System.nanoTime();
        work.run();
        steps.put(name, Duration.ofNanos(System.nanoTime() - begin));
    }

    /** The whole, and each step, in seconds. */
    @Override
    public String toString() {
        Duration whole = steps.values().stream().reduce(Duration.ZERO, Duration::plus);
        return steps.entrySet().stream()
                .map(step -> step.getKey() + " " + seconds(step.getValue()))
                .collect(Collectors.joining(", ", seconds(whole) + " s: ", ""));
    }

    private static String seconds(Duration duration) {
        return "%.2f".formatted(duration.toMillis() / 1000.0);
    }
}
