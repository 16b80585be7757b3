package org.kexecfs.docker;

import org.eclipse.jetty.http.HostPortHttpField;
import org.eclipse.jetty.http.HttpCompliance;
import org.eclipse.jetty.http.HttpField;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Connection;
import org.eclipse.jetty.io.EndPoint;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.internal.HttpConnection;

/**
 * HTTP as engines speak it over a socket that has no host: up to 24.0 with an empty {@code Host}, or with the socket's path.
 * RFC 9112 allows the first; Jetty refuses both.
 */
final class EngineConnection extends HttpConnection {
    /** Jetty's own, but that the parser lets any host pass. */
    static final HttpCompliance COMPLIANCE =
            HttpCompliance.RFC9110.with("engines", HttpCompliance.Violation.UNSAFE_HOST_HEADER);

    private static final HttpField NOBODY = new HostPortHttpField("localhost");

    private EngineConnection(HttpConfiguration configuration, Connector connector, EndPoint endPoint) {
        super(configuration, connector, endPoint);
    }

    @Override
    protected RequestHandler newRequestHandler() {
        return new RequestHandler() {
            @Override
            public void parsedHeader(HttpField field) {
                super.parsedHeader(field.getHeader() == HttpHeader.HOST ? NOBODY : field);
            }
        };
    }

    /** Makes such connections. */
    static final class Factory extends HttpConnectionFactory {
        Factory(HttpConfiguration configuration) {
            super(configuration);
        }

        @Override
        public Connection newConnection(Connector connector, EndPoint endPoint) {
            return configure(new EngineConnection(getHttpConfiguration(), connector, endPoint), connector, endPoint);
        }
    }
}
