package org.kexecfs.containers;

import java.net.URI;
import java.util.Optional;
import org.testcontainers.DockerClientFactory;
import org.testcontainers.dockerclient.DockerClientProviderStrategy;
import org.testcontainers.dockerclient.TransportConfig;

/** How Testcontainers finds the engine: it asks for this by {@code META-INF/services}, before its own ways. */
public final class EngineStrategy extends DockerClientProviderStrategy {
    private static volatile Engine engine;

    static void use(Engine found) {
        engine = found;
        // docker-java's own default is newer than the engine of Debian 12, and too old for some later one.
        System.setProperty("api.version", found.apiVersion());
    }

    /** Where the engine listens, if there is one by now. */
    static Optional<URI> address() {
        return Optional.ofNullable(engine).map(found -> URI.create("unix://" + found.socket()));
    }

    /**
     * For when the engine has ended before Testcontainers asks it, as the JVM ends, for containers that were left: its failure
     * would be printed by the thread that asks.
     */
    static void forget() {
        Thread.UncaughtExceptionHandler others = Thread.getDefaultUncaughtExceptionHandler();
        Thread.setDefaultUncaughtExceptionHandler((thread, failure) -> {
            if (thread.getThreadGroup() != DockerClientFactory.TESTCONTAINERS_THREAD_GROUP && others != null) {
                others.uncaughtException(thread, failure);
            }
        });
    }

    @Override
    protected boolean isApplicable() {
        return engine != null;
    }

    @Override
    protected int getPriority() {
        return Integer.MAX_VALUE;
    }

    @Override
    public TransportConfig getTransportConfig() {
        return TransportConfig.builder().dockerHost(address().orElseThrow()).build();
    }

    /** Testcontainers would run an image from a registry to find out. */
    @Override
    public synchronized String getDockerHostIpAddress() {
        return "localhost";
    }

    @Override
    public String getDescription() {
        return "the tests' own engine";
    }
}
