-- The table of the archive of findings, for Amazon Athena. Its rows are Detection Findings of OCSF (class 2004), with the
-- raw finding in raw_data. A partition is an AWS account and a day (UTC, when the finding was last seen); Athena derives
-- them from the path, so none has to be added. Replace BUCKET (the output ArchiveBucketName, with the prefix if
-- ARCHIVE_BUCKET has one), ACCOUNTS (account IDs separated by commas) and the first day of the range. Findings without a
-- known account are in the account "unknown".
CREATE EXTERNAL TABLE IF NOT EXISTS threatreaction_findings (
  activity_id INT,
  activity_name STRING,
  category_uid INT,
  category_name STRING,
  class_uid INT,
  class_name STRING,
  type_uid BIGINT,
  type_name STRING,
  `time` BIGINT,
  start_time BIGINT,
  end_time BIGINT,
  `count` INT,
  message STRING,
  severity_id INT,
  severity STRING,
  status_id INT,
  status STRING,
  status_detail STRING,
  metadata STRUCT<
    version: STRING,
    product: STRUCT<name: STRING, vendor_name: STRING>,
    logged_time: BIGINT,
    processed_time: BIGINT
  >,
  finding_info STRUCT<
    uid: STRING,
    title: STRING,
    desc: STRING,
    types: ARRAY<STRING>,
    created_time: BIGINT,
    modified_time: BIGINT,
    first_seen_time: BIGINT,
    last_seen_time: BIGINT
  >,
  cloud STRUCT<provider: STRING, region: STRING, account: STRUCT<uid: STRING>>,
  resources ARRAY<STRUCT<uid: STRING, type: STRING>>,
  observables ARRAY<STRUCT<name: STRING, type_id: INT, type: STRING, value: STRING>>,
  raw_data STRING,
  unmapped STRUCT<policy_action: STRING, finding: STRING, names: STRING, triage: STRING, actions: STRING>,
  time_dt TIMESTAMP
)
PARTITIONED BY (account_id STRING, day STRING)
STORED AS PARQUET
LOCATION 's3://BUCKET/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.account_id.type' = 'enum',
  'projection.account_id.values' = 'ACCOUNTS,unknown',
  'projection.day.type' = 'date',
  'projection.day.format' = 'yyyy-MM-dd',
  'projection.day.range' = '2020-01-01,NOW',
  'projection.day.interval' = '1',
  'projection.day.interval.unit' = 'DAYS',
  'storage.location.template' = 's3://BUCKET/account_id=${account_id}/day=${day}/'
)
