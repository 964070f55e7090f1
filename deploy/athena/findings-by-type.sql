-- How many findings of each type and severity the archive has, by account and day. Replace the days.
--
-- A finding that was brought back and then changed is in the archive again: its newest row counts.
WITH numbered AS (
  SELECT
    *,
    row_number() OVER (
      PARTITION BY account_id, cloud.region, finding_info.uid
      ORDER BY metadata.processed_time DESC
    ) AS number
  FROM threatreaction_findings
  WHERE day BETWEEN '2024-01-01' AND '2024-12-31'
)
SELECT
  account_id,
  day,
  element_at(finding_info.types, 1) AS finding_type,
  severity,
  count(*) AS findings
FROM numbered
WHERE number = 1
GROUP BY account_id, day, element_at(finding_info.types, 1), severity
ORDER BY account_id, day, finding_type, severity
