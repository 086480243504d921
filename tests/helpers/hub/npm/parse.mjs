// For each workflow named: a line of JSON with its jobs and with what GitHub would not accept.
import fs from 'node:fs';
import { NoOperationTraceWriter, convertWorkflowTemplate, parseWorkflow } from '@actions/workflow-parser';

for (const name of process.argv.slice(2)) {
  const parsed = parseWorkflow({name, content: fs.readFileSync(name, 'utf8')}, new NoOperationTraceWriter());
  const template = parsed.value && (await convertWorkflowTemplate(parsed.context, parsed.value));
  const errors = parsed.context.errors.getErrors().map((error) => error.message);
  console.log(JSON.stringify({name, errors, jobs: (template?.jobs ?? []).map((job) => job.id?.value)}));
}
