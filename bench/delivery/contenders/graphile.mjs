// graphile-worker with a local queue and batched completion. https://worker.graphile.org/docs/performance
import { Logger, run, runMigrations } from 'graphile-worker'
import pg from 'pg'

const count = Number(process.argv[2])
const pgPool = new pg.Pool({ max: 10 })
pgPool.on('error', (error) => { throw error })
pgPool.on('connect', (client) => client.on('error', (error) => { throw error }))
const preset = {
  worker: {
    concurrentJobs: 24, localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0,
    maxPoolSize: 10, logger: new Logger(() => () => {}),
  },
}
await runMigrations({ pgPool })
await pgPool.query(`
  SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
    SELECT json_populate_record(NULL::graphile_worker.job_spec, '{"identifier": "noop", "payload": {}}')
    FROM generate_series(1, $1)))`, [count])
await pgPool.query('VACUUM ANALYZE')

let done = 0
let finish
const finished = new Promise((resolve) => { finish = resolve })
const began = performance.now()
const runner = await run({
  pgPool, preset, noHandleSignals: true, taskList: { noop: () => { if (++done === count) finish() } },
})
await finished
await runner.stop()
const seconds = (performance.now() - began) / 1000
const { rows: [{ left }] } = await pgPool.query('SELECT count(*)::int AS left FROM graphile_worker.jobs')
if (left) throw new Error(`${left} of ${count} jobs are left`)
console.log(count / seconds)
process.exit(0)
