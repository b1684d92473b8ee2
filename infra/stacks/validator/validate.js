// Prints what AWS's own validator finds in the templates whose paths it is given, a line of JSON for each.
const { RegoEngine, TemplateFile } = require("@aws/cloudformation-validate");

const engine = new RegoEngine();
for (const path of process.argv.slice(2)) {
  const report = engine.validateStandard(new TemplateFile(path));
  const found = report.diagnostics.map((d) => ({
    rule: d.ruleId,
    severity: d.severity,
    at: [d.entity?.logicalId, d.propertyPath].filter(Boolean).join(" "),
    line: d.startLine,
    message: d.message,
  }));
  console.log(JSON.stringify({ path, status: report.status, found }));
}
engine.free();
