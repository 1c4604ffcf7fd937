// pg-boss: two loops that fetch a batch and complete it; the best of BATCHES. https://timgit.github.io/pg-boss/
import PgBoss from 'pg-boss'

const BATCHES = [500, 2000]
const INSERTED_AT_ONCE = 5000
const count = Number(process.argv[2])
const boss = new PgBoss({
  host: process.env.PGHOST, database: process.env.PGDATABASE, user: process.env.PGUSER, supervise: false, schedule: false,
})
boss.on('error', (error) => { throw error })
await boss.start()

async function measure (batchSize) {
  const queue = `noop-${batchSize}`
  await boss.createQueue(queue)
  for (let start = 0; start < count; start += INSERTED_AT_ONCE) {
    const size = Math.min(INSERTED_AT_ONCE, count - start)
    await boss.insert(Array.from({ length: size }, () => ({ name: queue, data: {} })))
  }
  await boss.getDb().executeSql('ANALYZE pgboss.job')
  let done = 0
  const work = async () => {
    for (let jobs; (jobs = await boss.fetch(queue, { batchSize })).length > 0;) {
      await boss.complete(queue, jobs.map((job) => job.id))
      done += jobs.length
    }
  }
  const began = performance.now()
  await Promise.all([work(), work()])
  const seconds = (performance.now() - began) / 1000
  if (done !== count) throw new Error(`${done} of ${count} jobs were done`)
  return count / seconds
}

const rates = []
for (const batchSize of BATCHES) rates.push(await measure(batchSize))
await boss.stop({ graceful: false })
console.log(Math.max(...rates))
process.exit(0)
