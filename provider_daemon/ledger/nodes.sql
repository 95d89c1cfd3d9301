-- name: allow_node
INSERT INTO node_allowed (node_id, cluster_id, hostname, provider_address, token_sha256, issued_at, expires_at, agent_key,
    revoked_at, operator, keys_since)
VALUES (:node_id, :cluster_id, :hostname, :provider_address, :token_sha256, :issued_at, :expires_at, :agent_key, :revoked_at,
    :operator, :keys_since)
ON CONFLICT (node_id) DO UPDATE SET cluster_id = excluded.cluster_id, hostname = excluded.hostname,
    provider_address = excluded.provider_address, token_sha256 = excluded.token_sha256, issued_at = excluded.issued_at,
    expires_at = excluded.expires_at, agent_key = excluded.agent_key, revoked_at = excluded.revoked_at,
    operator = excluded.operator, keys_since = max(excluded.keys_since, node_allowed.keys_since);

-- name: revoke_node
UPDATE node_allowed SET revoked_at = :now, keys_since = :now, operator = :operator WHERE node_id = :node_id AND revoked_at = 0;

-- name: allowed_nodes
SELECT * FROM node_allowed INDEXED BY node_allowed_cluster WHERE cluster_id = :cluster_id ORDER BY node_id;

-- name: all_allowed_nodes
SELECT * FROM node_allowed;

-- name: last_command_sequence
SELECT max(sequence) AS sequence FROM node_commands WHERE node_id = :node_id;

-- name: add_command
INSERT INTO node_commands (command_id, node_id, cluster_id, sequence, kind, document, signature, issued_at, deadline, operator, reason)
VALUES (:command_id, :node_id, :cluster_id, :sequence, :kind, :document, :signature, :issued_at, :deadline, :operator, :reason);

-- name: prune_commands
DELETE FROM node_commands WHERE node_id = :node_id AND sequence <= (
    SELECT sequence FROM node_commands WHERE node_id = :node_id ORDER BY sequence DESC LIMIT 1 OFFSET :count);

-- name: get_command
SELECT * FROM node_commands WHERE command_id = :command_id;

-- name: commands_of_node
SELECT * FROM node_commands WHERE node_id = :node_id ORDER BY sequence DESC;

-- name: open_commands
SELECT * FROM node_commands INDEXED BY node_commands_open WHERE result = '' ORDER BY node_id, sequence;

-- name: commands_in_time
SELECT node_id, document, signature FROM node_commands INDEXED BY node_commands_open
WHERE result = '' AND deadline > :now ORDER BY node_id, sequence;

-- name: finish_command
UPDATE node_commands SET result = :result, output = :output, finished_at = :now WHERE command_id = :command_id AND result = '';

-- name: hold_node
INSERT INTO node_holds (cluster_id, host, source, since, reason, good_since)
VALUES (:cluster_id, :host, :source, :since, :reason, :good_since)
ON CONFLICT (cluster_id, host, source) DO UPDATE SET since = excluded.since, reason = excluded.reason, good_since = excluded.good_since;

-- name: release_node
DELETE FROM node_holds WHERE cluster_id = :cluster_id AND host = :host AND source = :source;

-- name: node_holds
SELECT * FROM node_holds WHERE cluster_id = :cluster_id ORDER BY host, source;

-- name: confirmed_nodes
SELECT subject, body, created_at, max(id) AS id FROM messages INDEXED BY messages_spent
WHERE +kind = 'node' AND kind IN ('node', 'cluster') AND +status = 'confirmed' AND status <> 'waiting' AND created_at >= :since
GROUP BY subject;

-- name: waiting_nodes
SELECT subject, body, 0 AS created_at, max(id) AS id FROM messages INDEXED BY messages_waiting
WHERE status = 'waiting' AND kind = 'node' GROUP BY subject;
