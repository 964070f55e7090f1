-- The sums of manage.py processevents, by Amazon Athena over the same log files: bucket, principal, source, operation and
-- ten seconds. For more events than the workers can count. Replace the buckets and the days.
--
-- A file is of the day in its path, and its events can be some minutes older: add the next day to have all of one day.
-- The limits of processevents do not apply: it sums at most 200 rows of one bucket, ten seconds and file by themselves.
WITH buckets (name) AS (
  VALUES ('invoices'), ('backups')
),
extracted AS (
  SELECT
    *,
    json_extract_scalar(requestparameters, '$.bucketName') AS bucket_named,
    json_extract_scalar(requestparameters, '$.key') AS object_key,
    json_extract_scalar(requestparameters, '$.versionId') AS version_id,
    json_extract_scalar(requestparameters, '$["x-amz-server-side-encryption-customer-algorithm"]') AS sse_c,
    substr(coalesce(
      json_extract_scalar(responseelements, '$["x-amz-server-side-encryption-aws-kms-key-id"]'),
      json_extract_scalar(requestparameters, '$["x-amz-server-side-encryption-aws-kms-key-id"]')
    ), 1, 128) AS kms,
    CASE WHEN eventname IN ('CopyObject', 'UploadPartCopy')
      THEN regexp_extract(json_extract_scalar(requestparameters, '$["x-amz-copy-source"]'), '^/*([^/]*)', 1)
    END AS source_named,
    element_at(filter(resources, r -> r.arn LIKE 'arn:aws%:s3:::%' AND r.arn NOT LIKE '%/%'), 1) AS bucket_resource,
    least(greatest(coalesce(try_cast(
      json_extract_scalar(additionaleventdata, '$.bytesTransferredIn') AS DOUBLE), 0), 0), 1e13) AS bytes_in,
    least(greatest(coalesce(try_cast(
      json_extract_scalar(additionaleventdata, '$.bytesTransferredOut') AS DOUBLE), 0), 0), 1e13) AS bytes_out,
    -- A leap second counts as the one before.
    CASE WHEN regexp_like(eventtime, '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z$')
      THEN CAST(floor(to_unixtime(from_iso8601_timestamp(replace(eventtime, ':60Z', ':59Z')))) AS BIGINT)
    END AS t
  FROM threatreaction_events
  WHERE day BETWEEN '2026/11/23' AND '2026/11/24'
    AND eventsource = 's3.amazonaws.com'
    AND eventname IN (
      'GetObject', 'SelectObjectContent', 'CopyObject', 'UploadPartCopy', 'PutObject', 'CopyObject',
      'CompleteMultipartUpload', 'RestoreObject', 'ListObjects', 'ListObjectsV2', 'ListObjectVersions', 'HeadObject',
      'GetObjectAttributes', 'PutBucketVersioning', 'PutBucketLifecycle', 'PutBucketLifecycleConfiguration',
      'PutBucketPolicy', 'DeleteBucketPolicy', 'PutBucketEncryption', 'PutObjectLockConfiguration',
      'PutBucketReplication', 'PutBucketAcl', 'DeletePublicAccessBlock', 'DeleteBucketPublicAccessBlock',
      'CreateMultipartUpload', 'DeleteObject', 'DeleteObjects'
    )
),
named AS (
  SELECT
    extracted.*,
    bucket_resource.accountid AS owner,
    coalesce(by_name.name, by_resource.name) AS bucket,
    copied.name AS copied_from
  FROM extracted
  LEFT JOIN buckets AS by_name ON by_name.name = bucket_named
  LEFT JOIN buckets AS by_resource ON by_resource.name = split_part(bucket_resource.arn, ':::', 2)
  LEFT JOIN buckets AS copied ON copied.name = source_named
),
numbered AS (
  SELECT *, row_number() OVER (PARTITION BY eventid ORDER BY eventtime) AS number
  FROM named
  WHERE bucket IS NOT NULL OR copied_from IS NOT NULL
),
once AS ( -- CloudTrail can deliver an event twice
  SELECT
    *,
    lower(substr(object_key, greatest(length(object_key) - 127, 1))) AS end_of_key,
    useridentity.accountid = 'anonymous' OR useridentity.type = 'Anonymous' AS is_anonymous
  FROM numbered
  WHERE (number = 1 OR eventid IS NULL) AND t IS NOT NULL
),
who AS (
  SELECT
    *,
    CASE
      WHEN is_anonymous THEN 'anonymous ' || coalesce(substr(sourceipaddress, 1, 64), '')
      WHEN useridentity.type = 'AWSService'
        THEN 'service ' || substr(coalesce(useridentity.invokedby, useridentity.principalid, '?'), 1, 200)
      WHEN useridentity.type = 'AWSAccount'
        THEN 'account ' || coalesce(substr(useridentity.accountid, 1, 16), '') || ' '
          || substr(split_part(coalesce(useridentity.principalid, ''), ':', 1), 1, 128)
      -- The role and not its session.
      WHEN useridentity.sessioncontext.sessionissuer.arn <> ''
        THEN substr(useridentity.sessioncontext.sessionissuer.arn, 1, 256)
      WHEN useridentity.type = 'AssumedRole'
        THEN substr(regexp_replace(coalesce(useridentity.arn, '?'), '/[^/]*$', ''), 1, 256)
      ELSE substr(coalesce(useridentity.arn, split_part(useridentity.principalid, ':', 1), '?'), 1, 256)
    END AS principal,
    CASE
      WHEN regexp_like(vpcendpointid, '^vpce-[0-9a-z]{8,32}$') THEN vpcendpointid
      WHEN is_anonymous THEN coalesce(substr(sourceipaddress, 1, 64), '')
      WHEN regexp_like(sourceipaddress, '^[0-9]{1,3}([.][0-9]{1,3}){3}$')
        THEN regexp_replace(sourceipaddress, '[0-9]+$', '0/24')
      WHEN regexp_like(sourceipaddress, '^[0-9a-fA-F:.]{2,45}$') AND sourceipaddress LIKE '%:%'
        THEN regexp_replace(regexp_extract(lower(sourceipaddress), '^[^:]*(:[^:]*){0,2}'), ':+$', '') || '::/48'
      ELSE coalesce(substr(lower(sourceipaddress), 1, 64), '')
    END AS source
  FROM once
),
events AS (
  SELECT
    bucket,
    principal,
    source,
    CASE
      WHEN errorcode IS NOT NULL THEN 'failed'
      WHEN eventname IN ('GetObject', 'SelectObjectContent') THEN 'read'
      WHEN eventname IN ('PutObject', 'CopyObject', 'CompleteMultipartUpload', 'RestoreObject', 'CreateMultipartUpload')
        AND sse_c IS NOT NULL THEN 'write_sse_c'
      WHEN eventname IN ('PutObject', 'CopyObject', 'CompleteMultipartUpload', 'RestoreObject', 'CreateMultipartUpload')
        AND regexp_like(kms, '^arn:aws[a-z-]*:kms:[a-z0-9-]*:[0-9]{12}:')
        AND split_part(kms, ':', 5) <> owner THEN 'write_foreign_kms'
      WHEN eventname IN ('PutObject', 'CopyObject', 'CompleteMultipartUpload', 'RestoreObject')
        AND regexp_like(
          end_of_key,
          '(^|/)[^/]*(ransom|decrypt|how[_ -]?to[_ -]?(restore|recover|unlock|get)|recover[_ -](your[_ -])?files|'
          || 'your[_ -]files|warning[_ -]?read|read[_ -]?me[_ -]?now)[^/]*'
          || '\.(txt|html?|hta|md|rtf|pdf)$'
        ) THEN 'write_note'
      WHEN eventname IN ('PutObject', 'CopyObject', 'CompleteMultipartUpload', 'RestoreObject')
        AND regexp_like(
          substr(end_of_key, greatest(length(end_of_key) - 15, 1)),
          '\.(locked|lock|encrypted|enc|crypt|crypted|crypto|cry|ransom'
          || '|lockbit|akira|ryuk|conti|hive|wncry|phobos|makop|blackcat|codefinger)$'
        ) THEN 'write_locked'
      WHEN eventname IN ('PutObject', 'CopyObject', 'CompleteMultipartUpload', 'RestoreObject') THEN 'write'
      WHEN eventname = 'DeleteObject' AND version_id IS NOT NULL THEN 'delete_version'
      WHEN eventname = 'DeleteObject' THEN 'delete'
      WHEN eventname = 'DeleteObjects' THEN 'delete_batch'
      WHEN eventname IN ('ListObjects', 'ListObjectsV2', 'ListObjectVersions', 'HeadObject', 'GetObjectAttributes') THEN 'list'
      WHEN eventname IN (
        'PutBucketVersioning', 'PutBucketLifecycle', 'PutBucketLifecycleConfiguration', 'PutBucketPolicy',
        'DeleteBucketPolicy', 'PutBucketEncryption', 'PutObjectLockConfiguration', 'PutBucketReplication',
        'PutBucketAcl', 'DeletePublicAccessBlock', 'DeleteBucketPublicAccessBlock'
      ) THEN 'change'
    END AS operation,
    t,
    CASE WHEN eventname IN ('GetObject', 'SelectObjectContent') THEN bytes_out ELSE bytes_in END AS bytes
  FROM who
  -- The trail of the caller's account has it too, with another event ID.
  WHERE bucket IS NOT NULL AND coalesce(recipientaccountid = owner, true)
  UNION ALL
  -- A copy also reads its source.
  SELECT copied_from, principal, source, CASE WHEN errorcode IS NOT NULL THEN 'failed' ELSE 'read' END, t, 0
  FROM who
  WHERE copied_from IS NOT NULL
)
SELECT
  bucket,
  principal,
  source,
  operation,
  t - t % 10 AS at,
  count(*) AS times,
  CAST(least(sum(bytes), 1125899906842624) AS BIGINT) AS bytes
FROM events
WHERE operation IS NOT NULL
GROUP BY bucket, principal, source, operation, t - t % 10
ORDER BY bucket, principal, source, operation, at
