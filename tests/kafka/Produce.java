// Produces records with Kafka's own client, so that Pumpwatch is tested against
// somebody else's idea of a Kafka record. Java runs it from source:
//
//   dev/kafka produce [OPTIONS] FILE|-
//   java -cp "$(dev/kafka jars)" tests/kafka/Produce.java --brokers HOST:PORT [OPTIONS] FILE|-
//
// By default the input is NDJSON of canonical events: each line goes, as it is, to
// the topic of its `type`, keyed by its tenant, with its `ingest_time` (else its
// `time`) as the record's timestamp.
//
//   --topic-prefix P     put before the topic names
//   --topic T            all lines go to this topic
//   --key FIELD          key by this field of the line; `none`: no key (default: tenant)
//   --rate N             at most N records a second
//   --property K=V       any property of the producer, e.g. security.protocol
//   --records            each line describes a record instead of being one:
//                        {"topic","partition","timestamp","key","key_base64",
//                         "value" or "value_base64" (neither: a tombstone),"headers":{…}}
//
// Prints one JSON object: {"records":N,"topics":{"…":N},"seconds":S}. Exit code 0
// only when every record was acknowledged by all replicas.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.OffsetDateTime;
import java.util.Base64;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class Produce {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Map<String, String> TOPIC_OF_TYPE = Map.of(
        "sms.send", "sms.send.v1",
        "sms.verification", "sms.verification.v1",
        "sms.delivery", "sms.delivery.v1");

    private String brokers;
    private String topicPrefix = "";
    private String topic;
    private String key = "tenant";
    private boolean describedRecords;
    private double ratePerSecond = Double.POSITIVE_INFINITY;
    private final Properties properties = new Properties();
    private String input;

    public static void main(String[] args) throws IOException {
        System.exit(new Produce().run(args));
    }

    private int run(String[] args) throws IOException {
        try {
            parse(args);
        } catch (IllegalArgumentException e) {
            System.err.println("Produce: " + e.getMessage());
            return 2;
        }
        properties.putIfAbsent(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
        properties.putIfAbsent(ProducerConfig.ACKS_CONFIG, "all");
        properties.putIfAbsent(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, "true");
        properties.putIfAbsent(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
        properties.putIfAbsent(ProducerConfig.LINGER_MS_CONFIG, "5");
        properties.putIfAbsent(ProducerConfig.BATCH_SIZE_CONFIG, "131072");
        properties.putIfAbsent(ProducerConfig.MAX_BLOCK_MS_CONFIG, "20000");
        // Room for the records that are too large on purpose.
        properties.putIfAbsent(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, "67108864");
        properties.putIfAbsent(ProducerConfig.BUFFER_MEMORY_CONFIG, "134217728");

        Map<String, Long> counts = new TreeMap<>();
        AtomicReference<Exception> failure = new AtomicReference<>();
        long begin = System.nanoTime();
        long lines = 0;
        try (KafkaProducer<byte[], byte[]> producer =
                 new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
             BufferedReader reader = new BufferedReader(new InputStreamReader(open(), StandardCharsets.UTF_8), 1 << 16)) {
            for (String line; (line = reader.readLine()) != null && failure.get() == null; ) {
                if (line.isEmpty()) {
                    continue;
                }
                lines++;
                ProducerRecord<byte[], byte[]> record;
                try {
                    record = describedRecords ? described(line) : canonical(line);
                } catch (IOException | RuntimeException e) {
                    System.err.println("Produce: line " + lines + ": " + e.getMessage());
                    return 65;
                }
                producer.send(record, (metadata, error) -> {
                    if (error != null) {
                        failure.compareAndSet(null, error);
                    }
                });
                counts.merge(record.topic(), 1L, Long::sum);
                pace(begin, lines);
            }
            producer.flush();
        }
        if (failure.get() != null) {
            System.err.println("Produce: " + failure.get());
            return 69;
        }
        report(lines, counts, (System.nanoTime() - begin) / 1e9);
        return 0;
    }

    private void parse(String[] args) {
        for (int i = 0; i < args.length; i++) {
            String arg = args[i];
            switch (arg) {
                case "--records" -> describedRecords = true;
                case "--brokers", "--topic-prefix", "--topic", "--key", "--rate", "--property" -> {
                    if (++i == args.length) {
                        throw new IllegalArgumentException(arg + " needs a value");
                    }
                    option(arg, args[i]);
                }
                default -> {
                    if (input != null || (arg.startsWith("-") && !arg.equals("-"))) {
                        throw new IllegalArgumentException("what is " + arg + "?");
                    }
                    input = arg;
                }
            }
        }
        if (brokers == null || input == null) {
            throw new IllegalArgumentException("--brokers and a file (or -) are needed");
        }
    }

    private void option(String name, String value) {
        switch (name) {
            case "--brokers" -> brokers = value;
            case "--topic-prefix" -> topicPrefix = value;
            case "--topic" -> topic = value;
            case "--key" -> key = value;
            case "--rate" -> ratePerSecond = Double.parseDouble(value);
            default -> {
                int equals = value.indexOf('=');
                if (equals < 1) {
                    throw new IllegalArgumentException("--property is K=V");
                }
                properties.setProperty(value.substring(0, equals), value.substring(equals + 1));
            }
        }
    }

    private InputStream open() throws IOException {
        return input.equals("-") ? System.in : Files.newInputStream(Path.of(input));
    }

    private void pace(long begin, long sent) {
        if (Double.isInfinite(ratePerSecond)) {
            return;
        }
        long due = begin + (long) (sent / ratePerSecond * 1e9);
        for (long now; (now = System.nanoTime()) < due; ) {
            LockSupport.parkNanos(due - now);
        }
    }

    /** The line itself is the value. */
    private ProducerRecord<byte[], byte[]> canonical(String line) throws IOException {
        JsonNode event = JSON.readTree(line);
        String to = topic;
        if (to == null) {
            String type = event.path("type").asText();
            to = TOPIC_OF_TYPE.get(type);
            if (to == null) {
                throw new IllegalArgumentException("no topic for type \"" + type + "\"");
            }
        }
        byte[] keyBytes = null;
        if (!key.equals("none")) {
            JsonNode field = event.path(key);
            if (field.isTextual()) {
                keyBytes = bytes(field.asText());
            } else if (key.equals("tenant")) {
                keyBytes = bytes("default");
            }
        }
        JsonNode time = event.has("ingest_time") ? event.get("ingest_time") : event.path("time");
        return new ProducerRecord<>(topicPrefix + to, null, epochMillis(time), keyBytes, bytes(line));
    }

    /** The line says what the record is to be. */
    private ProducerRecord<byte[], byte[]> described(String line) throws IOException {
        JsonNode d = JSON.readTree(line);
        String to = d.has("topic") ? d.get("topic").asText() : topic;
        if (to == null) {
            throw new IllegalArgumentException("no topic");
        }
        Integer partition = d.has("partition") ? d.get("partition").asInt() : null;
        Long timestamp = d.has("timestamp") ? epochMillis(d.get("timestamp")) : null;
        ProducerRecord<byte[], byte[]> record =
            new ProducerRecord<>(topicPrefix + to, partition, timestamp, blob(d, "key"), blob(d, "value"));
        d.path("headers").properties().forEach(
            header -> record.headers().add(header.getKey(), bytes(header.getValue().asText())));
        return record;
    }

    private static byte[] blob(JsonNode d, String name) {
        if (d.hasNonNull(name + "_base64")) {
            return Base64.getDecoder().decode(d.get(name + "_base64").asText());
        }
        return d.hasNonNull(name) ? bytes(d.get(name).asText()) : null;
    }

    /** RFC 3339 or epoch milliseconds. */
    private static long epochMillis(JsonNode time) {
        return time.isNumber() ? time.asLong() : OffsetDateTime.parse(time.asText()).toInstant().toEpochMilli();
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static void report(long records, Map<String, Long> counts, double seconds) {
        ObjectNode report = JSON.createObjectNode().put("records", records);
        ObjectNode topics = report.putObject("topics");
        counts.forEach(topics::put);
        report.put("seconds", Math.round(seconds * 1000) / 1000.0);
        System.out.println(report);
    }
}
